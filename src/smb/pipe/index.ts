/** The pipes of IPC$: remote procedure calls that clients look shares and servers up by. One file an interface; `pipe.ts` is what they share. */
import { nobodyKnown } from "#model/identity.ts";
import type { SmbServer } from "../server.ts";
import type { RpcInterface } from "./pipe.ts";
import { lsarpc } from "./lsarpc.ts";
import { srvsvc } from "./srvsvc.ts";
import { wkssvc } from "./wkssvc.ts";

/** What each pipe serves, by its name in lower case. */
export const pipes: ReadonlyMap<string, (server: SmbServer) => RpcInterface> = new Map([
  ["srvsvc", (server: SmbServer) => srvsvc({ server: server.name, shares: () => announcedBy(server), now: () => server.clock.now().sec })],
  ["lsarpc", (server: SmbServer) => lsarpc({ server: server.name, guid: server.guid, identity: () => server.shares.list()[0]?.policy.identity ?? nobodyKnown })],
  ["wkssvc", (server: SmbServer) => wkssvc(server.name)],
]);

/** The shares that are offered over SMB, without the slash their names begin with, and IPC$. A name with a further slash can't be asked for. */
function announcedBy({ shares }: SmbServer) {
  const files = [...shares.list(), ...shares.absent.returning].flatMap(({ name, policy }) => (policy.enabled && policy.protocols.smb && !name.includes("/", 1) ? [{ name: name.slice(1), comment: "", pipe: false }] : []));
  return [...files, { name: "IPC$", comment: "remote procedure calls", pipe: true }];
}
