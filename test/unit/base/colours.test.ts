import { expect, test } from "bun:test";
import { coloursFor } from "#base/colours.ts";

test.each([
  ["a terminal", true, {}, true],
  ["a file or a pipe", false, {}, false],
  ["a terminal of somebody who wants none", true, { NO_COLOR: "1" }, false],
  ["whatever NO_COLOR holds", true, { NO_COLOR: "0" }, false],
  ["a NO_COLOR that is empty", true, { NO_COLOR: "" }, true],
  ["a terminal that knows none", true, { TERM: "dumb" }, false],
  ["no terminal, though its kind is named", false, { TERM: "xterm-256color" }, false],
])("colours on %s", (_, isTerminal, environment, coloured) => {
  expect(coloursFor(isTerminal, environment)).toBe(coloured);
});
