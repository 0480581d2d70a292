import { describe, expect, test } from "bun:test";
import { type AnyRoute, none } from "#api/contract/index.ts";
import { nouns, serverVerbs } from "#cli/commands/index.ts";
import { fieldSchema } from "#cli/remote/fields.ts";
import type { Noun, Verb } from "#cli/remote/index.ts";
import { dittofs } from "./support.ts";

/** What holds for every command that is declared. */

function leaves(of: readonly (Noun | Verb)[], words: readonly string[]): readonly { readonly words: readonly string[]; readonly verb: Verb }[] {
  return of.flatMap((one) => ("run" in one ? [{ words: [...words, one.name], verb: one }] : leaves(one.verbs, [...words, one.name])));
}
const all = leaves([...serverVerbs, ...nouns], []).map((one) => [one.words.join(" "), one] as const);
const nounWords = (of: readonly (Noun | Verb)[], words: readonly string[]): readonly string[][] => of.flatMap((one) => ("run" in one ? [] : [[...words, one.name], ...nounWords(one.verbs, [...words, one.name])]));

test("there are as many commands as there should be", () => {
  expect(all.length).toBeGreaterThan(60);
});

describe.each(all.map(([name, one]) => [name, one] as const))("%s", (_, { words, verb }) => {
  test("has help with an example, under each of its names", async () => {
    for (const name of [verb.name, ...(verb.aliases ?? [])]) {
      const { status, out } = await dittofs([...words.slice(0, -1), name, "--help"]);
      expect(status).toBe(0);
      expect(out).toMatch(/\nExamples?:\n {2}\S/);
    }
    for (const example of verb.examples) expect(example).toContain("dittofs");
  });
  test("fills fields and path parameters that its route has", () => {
    const route: AnyRoute | undefined = verb.route;
    for (const flag of verb.flags ?? []) {
      if (flag.field === undefined) continue;
      expect(route === undefined ? null : (fieldSchema(route.body, flag.field) ?? fieldSchema(route.query, flag.field))).not.toBeNull();
    }
    if (route === undefined) return;
    const required: readonly string[] = route.body === none ? [] : (route.body.required ?? []);
    // What the server can't do without is asked for, and in a command that doesn't read it by its schema it is in `run`.
    for (const field of required) {
      const flag = verb.flags?.find((one) => one.field === field);
      if (flag !== undefined && field !== "type") expect([field, flag.ask === undefined]).toEqual([field, false]);
    }
  });
});

test.each(nounWords(nouns, []).map((words) => [words.join(" "), words] as const))("%s has help with an example", async (_, words) => {
  const { status, out } = await dittofs([...words, "--help"]);
  expect(status).toBe(0);
  expect(out).toMatch(/\nExample:\n {2}dittofs /);
});

test("delete and remove are each other's names, as are show and get", () => {
  for (const [name, { verb }] of all) {
    const names = [verb.name, ...(verb.aliases ?? [])];
    if (names.includes("delete") || names.includes("remove")) expect([name, names]).toEqual([name, expect.arrayContaining(["delete", "remove"])]);
    // status, health and mount-info show something else.
    if (verb.name === "show" || verb.name === "get") expect([name, names]).toEqual([name, expect.arrayContaining(["show", "get"])]);
  }
});
