import { contract } from "#api/contract/index.ts";
import { inPath, type Verb } from "../../../remote/index.ts";
import { shareArgument } from "../fields.ts";
import { subject, subjectFlags } from "./subject.ts";

export const revoke: Verb = {
  name: "revoke",
  route: contract.permissions.revokeUser,
  summary: "Take a user's or a group's grant on a share away.",
  examples: ["dittofs share permission revoke /projects --user alice"],
  args: [shareArgument],
  flags: subjectFlags,
  async run(call) {
    const session = call.session();
    const share = inPath("share", call.argument("share"));
    const { type, name } = subject(call);
    if (type === "user") await session.call(contract.permissions.revokeUser, { params: { share, username: name } });
    else await session.call(contract.permissions.revokeGroup, { params: { share, group: name } });
    call.done(`revoked the grant of the ${type} ${name} on ${call.argument("share")}`);
  },
};
