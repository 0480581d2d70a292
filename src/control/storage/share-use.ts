import type { Core } from "../core.ts";
import { ControlError } from "../errors.ts";
import type { MountInfo } from "../runtime.ts";

/**
 * The list of mounts is advisory (RFC 1813 appendix I): a client that ends without UMNT stays in it. One that has had no connection
 * for so long is taken to be gone. A Linux client that is idle closes its connection after 5 minutes and has the share mounted all the same.
 */
const idleMountMsMax = 60 * 60_000;

/** Throws where clients use the share. */
export function refuseInUse({ runtime, changes }: Core, name: string): void {
  const clients = runtime.clients();
  const connected = new Set(clients.map(({ address }) => address));
  const now = changes.nowMs();
  const counts = ({ client, seenAt }: MountInfo) => connected.has(client) || now - seenAt < idleMountMsMax;
  const addresses = new Set(runtime.mounts().filter((mount) => mount.share === name && counts(mount)).map(({ client }) => client));
  for (const { address, shares } of clients) if (shares.includes(name)) addresses.add(address);
  if (addresses.size === 0) return;
  const some = [...addresses].slice(0, 5).join(", ");
  throw new ControlError("in_use", `Share ${name} is in use by ${addresses.size} ${addresses.size === 1 ? "client" : "clients"}: ${some}${addresses.size > 5 ? ", …" : ""}.`, {
    hint: `Unmount it there, or delete it by force: those clients then get errors. A client without a connection for ${idleMountMsMax / 60_000} minutes counts no more.`,
  });
}
