import { expect, test } from "bun:test";
import { formatTraceParent, parseTraceParent } from "#base/traceparent.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

test("reads what W3C Trace Context has as an example, and writes it again", () => {
  const text = `00-${traceId}-${spanId}-01`;
  expect(parseTraceParent(text)).toEqual({ traceId, spanId, sampled: true });
  expect(formatTraceParent({ traceId, spanId, sampled: true })).toBe(text);
  expect(formatTraceParent({ traceId, spanId, sampled: false })).toBe(`00-${traceId}-${spanId}-00`);
});

test("looks at the flag it knows alone, and at the first parts of a newer version", () => {
  expect(parseTraceParent(`00-${traceId}-${spanId}-fe`)?.sampled).toBe(false);
  expect(parseTraceParent(`00-${traceId}-${spanId}-ff`)?.sampled).toBe(true);
  expect(parseTraceParent(`cc-${traceId}-${spanId}-01-what-comes`)).toEqual({ traceId, spanId, sampled: true });
});

test.each([
  "",
  "00",
  `00-${traceId}-${spanId}`,
  `00-${traceId}-${spanId}-01-more`,
  `00-${traceId}-${spanId}-1`,
  `ff-${traceId}-${spanId}-01`,
  `00-${"0".repeat(32)}-${spanId}-01`,
  `00-${traceId}-${"0".repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${traceId.slice(1)}-${spanId}-01`,
  ` 00-${traceId}-${spanId}-01`,
  `00-${traceId}-${spanId}-0g`,
])("ignores %p", (text) => {
  expect(parseTraceParent(text)).toBeNull();
});
