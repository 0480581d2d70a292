import type { schemas } from "#api/contract/index.ts";
import type { Column } from "../../remote/index.ts";

export const adapterArgument = { name: "<type>", help: "the protocol: nfs or smb" } as const;

export const adapterColumns: readonly Column<schemas.Adapter>[] = [
  ["TYPE", (adapter) => adapter.type],
  ["ENABLED", (adapter) => adapter.enabled],
  ["PORT", (adapter) => adapter.port],
  ["RUNNING", (adapter) => adapter.running],
  ["LISTENING", (adapter) => listening(adapter)],
  ["CONNECTIONS", (adapter) => adapter.connections],
  ["OVERRIDDEN", (adapter) => adapter.overridden],
  ["ERROR", (adapter) => adapter.error],
];

function listening({ address, listening_port: port }: schemas.Adapter): string | null {
  if (address === null || port === null) return null;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What became of an adapter, in words. */
export function adapterState(adapter: schemas.Adapter): string {
  const overridden = adapter.overridden.length === 0 ? "" : `; overridden for this run: ${adapter.overridden.join(", ")}`;
  if (adapter.error !== null) return `the adapter ${adapter.type} does not run: ${adapter.error}${overridden}`;
  const at = listening(adapter);
  return `the adapter ${adapter.type} is ${adapter.enabled ? "enabled" : "disabled"}${at === null ? "" : ` and listens on ${at}`}${overridden}`;
}
