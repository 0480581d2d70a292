import { Durability } from "#model/credentials.ts";
import { Faults, meant } from "../checks.ts";
import type { ShareRow } from "../effects/index.ts";
import { ControlError } from "../errors.ts";
import type { MoveTo } from "../services.ts";
import type { State } from "../state/index.ts";

const inMemory = "memory";

/** The columns of a share that lies in other stores: where in them follows from the stores and its name. Throws where it must not go there. */
export function movedTo(state: State, row: ShareRow, { metadata, blocks, acceptVolatile = false }: MoveTo): Partial<ShareRow> {
  const faults = new Faults();
  const id = (kind: "metadata" | "block", field: string, name: string): string => {
    const stores = kind === "metadata" ? state.metadataStores : state.blockStores;
    const found = stores.by("name", name);
    if (found === null) faults.add(field, `there is no ${kind} store ${JSON.stringify(name.slice(0, 64))}${meant(name, stores.all().map((store) => store.name))}`);
    return found?.id ?? "";
  };
  const moved = {
    ...(metadata === undefined ? {} : { metadataStoreId: id("metadata", "metadata", metadata), metadataPath: "" }),
    ...(blocks === undefined ? {} : { blockStoreId: id("block", "blocks", blocks), blocksPath: "" }),
  };
  const goes = { ...row, ...moved };
  // A share that lies so already goes elsewhere with its other half.
  if (moved.blockStoreId !== "" && moved.metadataStoreId !== "" && !losesContent(state, row)) checkTogether(state, goes, metadata === undefined ? "blocks" : "metadata", faults);
  faults.refuse(`share ${row.name}`);
  if (endsWithServer(state, goes) && !endsWithServer(state, row) && row.durability === Durability.remote) throw remoteIntoMemory(row, metadata ?? blocks ?? "");
  if (isVolatile(state, goes) && !isVolatile(state, row) && !acceptVolatile) throw notAccepted(row, metadata ?? "");
  return moved;
}

/** Whether a share's metadata ends with its server. */
export function isVolatile(state: State, { metadataStoreId }: Pick<ShareRow, "metadataStoreId">): boolean {
  return state.metadataStores.get(metadataStoreId)?.type === inMemory;
}

/** Whether a share's metadata or its content does. */
export function endsWithServer(state: State, row: Pick<ShareRow, "metadataStoreId" | "blockStoreId">): boolean {
  return isVolatile(state, row) || state.blockStores.get(row.blockStoreId)?.type === inMemory;
}

/** What is acknowledged in `remote` outlives the machine; nothing in memory does. `durability`: what is asked for, if anything is. */
export function checkTier(state: State, row: Pick<ShareRow, "metadataStoreId" | "blockStoreId">, durability: string | undefined, faults: Faults): void {
  if (durability !== Durability.remote || !endsWithServer(state, row)) return;
  const [kind, what, store] = isVolatile(state, row) ? ["metadata", "metadata", state.metadataStores.get(row.metadataStoreId)?.name] : ["block", "content", state.blockStores.get(row.blockStoreId)?.name];
  faults.add("durability", `remote promises that what is acknowledged outlives the machine, and ${kind} store ${store} keeps the share's ${what} in memory, which ends with the server. local is as much as it can have there; for remote, have the share in stores that last (dittofs store migrate moves one)`);
}

function losesContent(state: State, row: Pick<ShareRow, "metadataStoreId" | "blockStoreId">): boolean {
  return state.blockStores.get(row.blockStoreId)?.type === inMemory && !isVolatile(state, row);
}

/** Names that last with content that doesn't would be files that are there and can't be read. */
export function checkTogether(state: State, row: Pick<ShareRow, "metadataStoreId" | "blockStoreId">, field: "metadata" | "blocks", faults: Faults): void {
  if (!losesContent(state, row)) return;
  const names = state.metadataStores.get(row.metadataStoreId);
  const [content, kept] = [`block store ${state.blockStores.get(row.blockStoreId)?.name}`, `metadata store ${names?.name} (${names?.type})`];
  const both = field === "blocks" ? `keeps content in memory, and ${kept} keeps names` : `keeps names, and ${content} keeps content in memory`;
  faults.add(field, `${both}: after a restart there would be files without their content. Name a metadata store of type memory, too, or a block store that lasts`);
}

function remoteIntoMemory({ name }: ShareRow, store: string): ControlError {
  return new ControlError("conflict", `Share ${name} is of durability remote, which promises that what is acknowledged outlives the machine, and store ${store} is in memory, which ends with the server. Nothing was moved.`, {
    hint: `If it is to be there all the same, take the promise back first: dittofs share edit ${name} --durability local`,
  });
}

function notAccepted({ name }: ShareRow, store: string): ControlError {
  return new ControlError(
    "conflict",
    `Metadata store ${store} is in memory: when the server stops, whether it is stopped, crashes or loses its power, all files of share ${name} are gone for good, names and content, those that it has now and those written from now on. ` +
      "The share is empty after each start then, no handle that clients have is good any more, and it can't be recovered from its block store. Nothing was moved.",
    { hint: "If that is meant: --accept-volatile (accept_volatile in REST)." },
  );
}
