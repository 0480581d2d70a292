/** The pipes of IPC$: remote procedure calls that clients look shares and servers up by. One file an interface; `pipe.ts` is what they share. */
import { nobodyKnown } from "#model/identity.ts";
import type { SmbServer } from "../server.ts";
import { admitsGuests } from "../session/guests.ts";
import { type Session, SessionKind } from "../session/session.ts";
import type { RpcInterface } from "./pipe.ts";
import { lsarpc } from "./lsarpc.ts";
import { srvsvc } from "./srvsvc.ts";
import { wkssvc } from "./wkssvc.ts";

/** What each pipe serves to whom a session is of, by its name in lower case. Who came without a name learns no names but those he needs. */
export const pipes: ReadonlyMap<string, (server: SmbServer, asker: Session) => RpcInterface> = new Map([
  ["srvsvc", (server: SmbServer, asker: Session) => srvsvc({ server: server.name, shares: () => announcedBy(server, asker), now: () => server.clock.now().sec })],
  ["lsarpc", (server: SmbServer, asker: Session) => lsarpc({ server: server.name, guid: server.guid, identity: () => (isNamed(asker) ? (server.shares.list()[0]?.policy.identity ?? nobodyKnown) : null) })],
  ["wkssvc", (server: SmbServer) => wkssvc(server.name)],
]);

function isNamed({ kind }: Session): boolean {
  return kind === SessionKind.user;
}

/**
 * The shares that are offered over SMB, without the slash their names begin with, and IPC$: to guests those that let them in. A name with a
 * further slash can't be asked for.
 */
function announcedBy({ shares }: SmbServer, asker: Session) {
  const served = [...shares.list(), ...shares.absent.returning].filter(({ name, policy }) => policy.enabled && policy.protocols.smb && !name.includes("/", 1));
  const shown = isNamed(asker) ? served : served.filter(admitsGuests);
  return [...shown.map(({ name }) => ({ name: name.slice(1), comment: "", pipe: false })), { name: "IPC$", comment: "remote procedure calls", pipe: true }];
}
