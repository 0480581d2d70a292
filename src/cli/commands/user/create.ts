import { contract } from "#api/contract/index.ts";
import { creates } from "../../remote/index.ts";

export const create = creates(
  {
    route: contract.users.create,
    summary: "Create a user.",
    examples: ["dittofs user create --username alice --uid 1000 --gid 1000 --groups staff", "pwgen 16 1 | dittofs user create --username backup --role operator --password-stdin"],
    flags: [
      { flags: "-u, --username <name>", help: "the name to log in with", field: "username", ask: "Username" },
      { flags: "-p, --password <password>", help: "the password, 8 characters at least; better asked for or --password-stdin", field: "password", ask: "Password", secret: "new" },
      { flags: "--uid <number>", help: "the user id on NFS (default: the next one free)", field: "uid" },
      { flags: "--gid <number>", help: "the primary group id on NFS (default: the user id)", field: "gid" },
      { flags: "--groups <names>", help: "groups to be in, with commas between", field: "groups" },
      { flags: "--role <role>", help: "what they may do through the control plane (default: user)", field: "role" },
      { flags: "--email <address>", help: "their e-mail address", field: "email" },
      { flags: "--display-name <text>", help: "the name people know them by", field: "display_name" },
      { flags: "--enabled [boolean]", help: "whether they may log in (default: true)", field: "enabled" },
      { flags: "--must-change-password [boolean]", help: "whether they must choose their own password at the first log-in", field: "must_change_password" },
    ],
  },
  (user) => `created the user ${user.username} (uid ${user.uid}, gid ${user.gid}, role ${user.role})`,
);
