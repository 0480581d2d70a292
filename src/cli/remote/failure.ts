import { ApiError, ConnectError } from "#api/client/index.ts";
import type { ErrorCode } from "#api/contract/index.ts";
import { ExitStatus, type Terminal } from "../ports.ts";
import { Interrupted } from "../interrupted.ts";
import { printable } from "../table.ts";

/** The command line itself is wrong, or lacks something nobody is there to be asked for. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What the command itself has to say about why it ends, and with which status. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly status: ExitStatus;
  readonly hint: string | null;

  constructor(status: ExitStatus, message: string, hint: string | null = null) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

export function notLoggedIn(server: string): CommandFailure {
  return new CommandFailure(ExitStatus.denied, `not logged in to ${server}`, `dittofs login --server ${server}`);
}

const { failed, usage, denied, notFound, conflict, unreachable } = ExitStatus;

/** The exit status of each refusal; total, so that a new code can't be forgotten. */
export const statusOfCode: Readonly<Record<ErrorCode, ExitStatus>> = {
  invalid_request: usage,
  unauthenticated: denied,
  token_expired: denied,
  invalid_token: denied,
  wrong_credentials: denied,
  forbidden: denied,
  password_change_required: denied,
  not_found: notFound,
  method_not_allowed: failed,
  already_exists: conflict,
  in_use: conflict,
  conflict,
  data_exists: conflict,
  changed_meanwhile: conflict,
  too_large: usage,
  misdirected: failed,
  unsupported_media_type: failed,
  invalid_value: usage,
  too_many_attempts: failed,
  busy: failed,
  internal: failed,
  unavailable: unreachable,
  store_unreachable: failed,
  no_progress: failed,
};

/** What to do, where the server didn't say and the command line knows better. */
const hints: Partial<Readonly<Record<ErrorCode, string>>> = {
  unauthenticated: "log in with dittofs login",
  invalid_token: "log in again with dittofs login",
  token_expired: "log in again with dittofs login",
  password_change_required: "dittofs user change-password",
  method_not_allowed: "is the server of another version than this program? dittofs status says",
};

/** Says on standard error what went wrong and what to do; gives the exit status. Anything that isn't ours is thrown on. */
export function report(error: unknown, terminal: Terminal): ExitStatus {
  const say = (message: string, hint: string | null) => {
    terminal.err(`error: ${printable(message)}\n`);
    if (hint !== null) terminal.err(`hint: ${printable(hint)}\n`);
  };
  if (error instanceof ApiError) {
    const { problem } = error;
    const code = problem.code as ErrorCode;
    say(problem.detail === "" ? problem.title : problem.detail, null);
    for (const one of problem.errors ?? []) terminal.err(`  ${printable(one.field)}: ${printable(one.message)}\n`);
    const hint = hints[code] ?? problem.hint;
    if (hint !== undefined) terminal.err(`hint: ${printable(hint)}\n`);
    return statusOfCode[code] ?? failed;
  }
  if (error instanceof ConnectError) {
    say(error.message, null);
    return unreachable;
  }
  if (error instanceof UsageError) {
    say(error.message, null);
    return usage;
  }
  if (error instanceof CommandFailure) {
    say(error.message, error.hint);
    return error.status;
  }
  if (error instanceof Interrupted) {
    terminal.err("\n");
    return ExitStatus.interrupted;
  }
  throw error;
}
