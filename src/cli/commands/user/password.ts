import { contract } from "#api/contract/index.ts";
import { ExitStatus } from "../../ports.ts";
import { type Call, UsageError, type Verb } from "../../remote/index.ts";
import { addPlaceFlags, loadFor, offlineOf } from "../../settings.ts";

const firstAdministrator = "admin";

export const password: Verb = {
  name: "password",
  route: contract.users.setPassword,
  summary: "Set a user's password and end their sessions. With --reset --offline, without a server: a new random one for a lost administrator.",
  examples: ["dittofs user password alice", "dittofs user password alice --must-change-password", "dittofs user password --reset --offline --data-dir /srv/dittofs"],
  args: [{ name: "[username]", help: `whose (with --offline default: ${firstAdministrator})` }],
  flags: [
    { flags: "-p, --password <password>", help: "the new password; better asked for or --password-stdin", field: "new_password", ask: "New password", secret: "new" },
    { flags: "--must-change-password [boolean]", help: "whether they must choose their own at the next log-in", field: "must_change_password" },
    { flags: "--reset", help: "make a new random password, shown once, to be changed at the next log-in" },
    { flags: "--offline", help: "change the database while no server runs, without a log-in" },
  ],
  extend: addPlaceFlags,
  async run(call) {
    if (call.has("offline") !== call.has("reset")) throw new UsageError("--reset and --offline go together");
    if (call.has("offline")) return await reset(call);
    const username = call.argument("username");
    await call.session().call(contract.users.setPassword, { params: { username }, body: await call.fields() });
    call.done(`changed the password of ${username}; their sessions have ended`);
  },
};

async function reset(call: Call): Promise<ExitStatus> {
  const loaded = loadFor(call.command, call.context);
  if (typeof loaded === "number") return ExitStatus.usage;
  const done = await (await offlineOf(call.context)).resetPassword(loaded, call.optionalArgument("username") ?? firstAdministrator);
  call.done(`the password of ${done.username} is now: ${done.password}`, done);
  if (call.format === "table") call.terminal.out("It must be changed at the next log-in and is not shown again.\n");
  return ExitStatus.ok;
}
