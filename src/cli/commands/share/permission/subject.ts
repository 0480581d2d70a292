import { type Call, type Flag, UsageError } from "../../../remote/index.ts";

export const subjectFlags: readonly Flag[] = [
  { flags: "--user <name>", help: "the user it is about" },
  { flags: "--group <name>", help: "the group it is about" },
];

/** Whom a grant is about: one user or one group. */
export function subject(call: Call): { readonly type: "user" | "group"; readonly name: string } {
  const user = call.text("user");
  const group = call.text("group");
  if (user !== null && group === null) return { type: "user", name: user };
  if (group !== null && user === null) return { type: "group", name: group };
  throw new UsageError(user === null ? "--user or --group is missing" : "--user and --group are one too many");
}
