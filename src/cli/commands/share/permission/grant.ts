import { contract, type schemas } from "#api/contract/index.ts";
import { type Flag, inPath, type Verb } from "../../../remote/index.ts";
import { shareArgument } from "../fields.ts";
import { subject, subjectFlags } from "./subject.ts";

const level: Flag = { flags: "--level <level>", help: "what they may", field: "level", ask: "Level (none, read, read-write, admin)" };

export const grant: Verb = {
  name: "grant",
  route: contract.permissions.grantUser,
  summary: "Grant a user or a group a level on a share; it replaces the one they had. A user's own grant goes before those of groups.",
  examples: ["dittofs share permission grant /projects --user alice --level read-write", "dittofs share permission grant /projects --group staff --level read"],
  args: [shareArgument],
  flags: [...subjectFlags, level],
  async run(call) {
    const session = call.session();
    const share = inPath("share", call.argument("share"));
    const { type, name } = subject(call);
    const body = await call.fields<{ level: schemas.Level }>();
    const granted =
      type === "user"
        ? await session.call(contract.permissions.grantUser, { params: { share, username: name }, body })
        : await session.call(contract.permissions.grantGroup, { params: { share, group: name }, body });
    call.done(`granted ${granted.level} on ${call.argument("share")} to the ${type} ${name}`, granted);
  },
};
