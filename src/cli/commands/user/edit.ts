import { contract } from "#api/contract/index.ts";
import { changes } from "../../remote/index.ts";

export const edit = changes(
  {
    route: contract.users.edit,
    summary: "Change a user; what no flag names stays. Disabling one ends their sessions.",
    examples: ["dittofs user edit alice --groups staff,lab", "dittofs user edit alice --enabled false"],
    args: [{ name: "<username>", help: "whom to change" }],
    flags: [
      { flags: "--uid <number>", help: "the user id on NFS", field: "uid" },
      { flags: "--gid <number>", help: "the primary group id on NFS", field: "gid" },
      { flags: "--groups <names>", help: 'all groups to be in, with commas between; "": none', field: "groups" },
      { flags: "--role <role>", help: "what they may do through the control plane", field: "role" },
      { flags: "--email <address>", help: "their e-mail address", field: "email" },
      { flags: "--display-name <text>", help: "the name people know them by", field: "display_name" },
      { flags: "--enabled [boolean]", help: "whether they may log in", field: "enabled" },
      { flags: "--must-change-password [boolean]", help: "whether they must change their password at the next log-in", field: "must_change_password" },
    ],
  },
  (user) => `changed the user ${user.username}`,
);
