import { Faults, meant } from "../checks.ts";
import type { ShareRow } from "../effects/index.ts";
import type { MoveTo } from "../services.ts";
import type { State } from "../state/index.ts";

/** The columns of a share that lies in other stores: where in them follows from the stores and its name. */
export function movedTo(state: State, share: string, { metadata, blocks }: MoveTo): Partial<ShareRow> {
  const faults = new Faults();
  const id = (kind: "metadata" | "block", field: string, name: string): string => {
    const stores = kind === "metadata" ? state.metadataStores : state.blockStores;
    const row = stores.by("name", name);
    if (row === null) faults.add(field, `there is no ${kind} store ${JSON.stringify(name.slice(0, 64))}${meant(name, stores.all().map((store) => store.name))}`);
    return row?.id ?? "";
  };
  const moved = {
    ...(metadata === undefined ? {} : { metadataStoreId: id("metadata", "metadata", metadata), metadataPath: "" }),
    ...(blocks === undefined ? {} : { blockStoreId: id("block", "blocks", blocks), blocksPath: "" }),
  };
  faults.refuse(`share ${share}`);
  return moved;
}
