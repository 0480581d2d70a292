import { ApiError } from "#api/client/index.ts";
import { contract, type schemas } from "#api/contract/index.ts";
import { type Call, CommandFailure, type Contexts, type Flag, type SavedContext, Session, type Verb, withContext, withTokens, wrongContextName } from "../../remote/index.ts";
import { UsageError } from "../../remote/failure.ts";
import { ExitStatus } from "../../ports.ts";

const username: Flag = { flags: "-u, --username <name>", help: "who to log in as", ask: "Username" };
const password: Flag = { flags: "-p, --password <password>", help: "the password; better asked for or --password-stdin, for others can see command lines", ask: "Password", secret: "current" };
const newPassword: Flag = { flags: "--new-password <password>", help: "the new password, where the account must change it first; with --password-stdin the second line", secret: "new" };

export const login: Verb = {
  name: "login",
  summary: "Log in to a server and keep the log-in as a context.",
  examples: ["dittofs login", "dittofs login --server https://files.example.com:8080 --username alice", "dittofs login --username admin --password-stdin < password.txt"],
  flags: [username, password, newPassword],
  async run(call) {
    const session = new Session(call.context, call.command.opts(), true);
    warnOfPlainText(session.server, call);
    const name = call.text("username") ?? (await call.ask(username, (given) => given, session.username));
    const given = (await call.secret(password)) ?? "";
    const tokens = await session.call(contract.auth.login, { body: { username: name, password: given } });
    const kept = await keep(call, session, tokens);
    call.done(`logged in to ${session.server} as ${tokens.user.username} (${tokens.user.role}); context ${kept}`, tokens.must_change_password ? undefined : { context: kept, server: session.server, user: tokens.user });
    if (tokens.must_change_password) return await changeFirst(call, session, kept, tokens, given);
  },
};

/** Passwords and tokens that travel as they are can be read on the way; on this machine nobody stands in it. */
function warnOfPlainText(server: string, call: Call): void {
  const { protocol, hostname } = new URL(server);
  const here = hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname);
  if (protocol === "http:" && !here) call.terminal.err(`warning: ${server} is not encrypted: who is on the way to it can read the password\n`);
}

/** Stores the log-in and makes its context the one in use; gives the context's name. */
async function keep(call: Call, session: Session, tokens: schemas.Tokens): Promise<string> {
  const { server, tls } = session;
  const wanted = call.text("context") ?? (call.context.environment["DITTOFS_CONTEXT"] || null);
  const wrong = wanted === null ? null : wrongContextName(wanted);
  if (wrong !== null) throw new UsageError(`--context: ${wrong}`);
  let name = "";
  await call.contexts.update((now) => {
    name = wanted ?? nameFor(now, server, tokens.user.username);
    const saved: SavedContext = { server, username: tokens.user.username, ...tls };
    return { ...withContext(now, name, withTokens(saved, tokens)), current: name };
  });
  return name;
}

/** The context of this log-in if there is one, else a name that is free. */
function nameFor({ contexts }: Contexts, server: string, user: string): string {
  const same = Object.entries(contexts).find(([, saved]) => saved.server === server && saved.username === user);
  if (same !== undefined) return same[0];
  if (!Object.hasOwn(contexts, "default")) return "default";
  const base = `${user}@${new URL(server).host.replaceAll(/[[\]]/g, "")}`.slice(0, 60);
  for (let i = 1; ; i++) {
    const name = i === 1 ? base : `${base}-${i}`;
    if (!Object.hasOwn(contexts, name)) return name;
  }
}

/** A log-in that is good for nothing until the password is changed: changes it. */
async function changeFirst(call: Call, session: Session, context: string, tokens: schemas.Tokens, current: string): Promise<ExitStatus | void> {
  call.terminal.err("this account must change its password before it can do anything else\n");
  const canAsk = call.terminal.person !== null && !call.has("password-stdin");
  const next = await call.secret(canAsk ? { ...newPassword, ask: "New password" } : newPassword);
  if (next === undefined) throw new CommandFailure(ExitStatus.usage, "--new-password is missing", "dittofs user change-password changes it, too");
  session.useToken(tokens.access_token);
  try {
    const changed = await session.call(contract.users.changeOwnPassword, { body: { current_password: current, new_password: next } });
    await keep(call, session, changed);
    call.done(`changed the password of ${changed.user.username}`, { context, server: session.server, user: changed.user });
  } catch (error) {
    if (error instanceof ApiError) throw new CommandFailure(ExitStatus.usage, `the password was not changed: ${error.problem.detail}`, error.problem.hint ?? "dittofs user change-password");
    throw error;
  }
}
