import { attributeContract } from "./metadata/attributes.ts";
import { contentContract } from "./metadata/content.ts";
import { changeContract } from "./metadata/changes.ts";
import { conditionContract } from "./metadata/conditions.ts";
import { directoryContract } from "./metadata/directories.ts";
import type { Factory } from "./metadata/kit.ts";
import { orderContract } from "./metadata/order.ts";
import { packContract } from "./metadata/packs.ts";
import { persistenceContract } from "./metadata/persistence.ts";
import { scanContract } from "./metadata/scans.ts";
import { randomContract } from "./metadata/random.ts";

export interface Capabilities {
  /** Outlives a close and a crash: the subject has `reopen` and `crash`. */
  readonly persistent: boolean;
}

/** The meaning of the port MetadataStore: every implementation passes all of it. */
export function metadataContract(name: string, factory: Factory, capabilities: Capabilities): void {
  conditionContract(name, factory);
  changeContract(name, factory);
  directoryContract(name, factory);
  attributeContract(name, factory);
  contentContract(name, factory);
  packContract(name, factory);
  orderContract(name, factory);
  randomContract(name, factory);
  scanContract(name, factory);
  if (capabilities.persistent) persistenceContract(name, factory);
}
