import type { Maybe } from "#base/brand.ts";
import { Command } from "#wire/smb2/header.ts";
import { encodeEmptyBody, isEmptyBody } from "#wire/smb2/session.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { Call } from "../call.ts";
import { changeNotify } from "./change-notify.ts";
import { close } from "./close.ts";
import { create } from "./create.ts";
import { flush } from "./flush.ts";
import { ioctl } from "./ioctl.ts";
import { lock } from "./lock.ts";
import { negotiate } from "./negotiate.ts";
import { oplockBreak } from "./oplock-break.ts";
import { queryDirectory } from "./query-directory.ts";
import { queryInfo } from "./query-info.ts";
import { read } from "./read.ts";
import { logoff, sessionSetup } from "./session-setup.ts";
import { setInfo } from "./set-info.ts";
import { treeConnect, treeDisconnect } from "./tree-connect.ts";
import { write } from "./write.ts";

/** What a request has to belong to; `sessionIfNamed`: to a session, unless it names none. */
export const Needs = { nothing: 0, sessionIfNamed: 1, session: 2, tree: 3 } as const;
export type Needs = (typeof Needs)[keyof typeof Needs];

export interface Handler {
  readonly needs: Needs;
  /** It goes on although the session's user has to prove again who he is (MS-SMB2 3.3.5.2.9). */
  readonly afterExpiry?: boolean;
  /** Writes the answer's body to `call.w` and gives its status. */
  run(call: Call): Maybe<number>;
}

function echo(call: Call): number {
  if (!isEmptyBody(call.bytes, call.base, call.end)) return NtStatus.INVALID_PARAMETER;
  encodeEmptyBody(call.w);
  return NtStatus.SUCCESS;
}

/** The handler of each command, by its number. */
export const handlers: readonly (Handler | undefined)[] = tableOf({
  [Command.NEGOTIATE]: { needs: Needs.nothing, run: negotiate },
  [Command.SESSION_SETUP]: { needs: Needs.nothing, run: sessionSetup },
  [Command.LOGOFF]: { needs: Needs.session, afterExpiry: true, run: logoff },
  [Command.TREE_CONNECT]: { needs: Needs.session, run: treeConnect },
  [Command.TREE_DISCONNECT]: { needs: Needs.tree, run: treeDisconnect },
  [Command.CREATE]: { needs: Needs.tree, run: create },
  [Command.CLOSE]: { needs: Needs.tree, afterExpiry: true, run: close },
  [Command.FLUSH]: { needs: Needs.tree, run: flush },
  [Command.READ]: { needs: Needs.tree, run: read },
  [Command.WRITE]: { needs: Needs.tree, run: write },
  [Command.LOCK]: { needs: Needs.tree, run: lock },
  [Command.IOCTL]: { needs: Needs.tree, run: ioctl },
  [Command.ECHO]: { needs: Needs.sessionIfNamed, afterExpiry: true, run: echo },
  [Command.QUERY_DIRECTORY]: { needs: Needs.tree, run: queryDirectory },
  [Command.CHANGE_NOTIFY]: { needs: Needs.tree, run: changeNotify },
  [Command.QUERY_INFO]: { needs: Needs.tree, run: queryInfo },
  [Command.OPLOCK_BREAK]: { needs: Needs.tree, run: oplockBreak },
  [Command.SET_INFO]: { needs: Needs.tree, run: setInfo },
});

function tableOf(byCommand: Readonly<Record<number, Handler>>): readonly (Handler | undefined)[] {
  const table: (Handler | undefined)[] = [];
  for (const [command, handler] of Object.entries(byCommand)) table[Number(command)] = handler;
  return table;
}
