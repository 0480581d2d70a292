import { alreadyExists, checkVersion, Faults, nameFault, notFound, oneOfFault } from "../checks.ts";
import { type Core, type Effect, make, newId } from "../core.ts";
import { tables } from "../database/tables.ts";
import type { StoreRow, Target } from "../effects/index.ts";
import { ControlError } from "../errors.ts";
import type { Actor, ConfigValue, Store, StoreKind } from "../nouns.ts";
import type { RotatedShare, StoreHealth, StorePlan, StoreRequests } from "../runtime.ts";
import type { IfVersion, Stores } from "../services.ts";
import type { Change, Rows } from "../state/index.ts";
import { isVolatile } from "./share-moves.ts";
import { asItIs, type StoreChecks } from "./store-checks.ts";
import type { StorePlans } from "./store-plans.ts";
import { isWithin, readConfig, type SortedConfig, storeTypes } from "./store-types.ts";
import { checkWrappers, refuseLosing } from "./wrapper-fields.ts";

type Config = Readonly<Record<string, ConfigValue>>;

export interface StoresParts extends Core {
  readonly storePlans: StorePlans;
  readonly storeChecks: StoreChecks;
}

export class StoreService implements Stores {
  private readonly parts: StoresParts;

  constructor(parts: StoresParts) {
    this.parts = parts;
  }

  list(kind: StoreKind): readonly Store[] {
    return this.rows(kind).all().map((row) => this.view(kind, row));
  }

  get(kind: StoreKind, name: string): Store {
    return this.view(kind, this.row(kind, name));
  }

  async create(actor: Actor, kind: StoreKind, store: { readonly name: string; readonly type: string; readonly config?: Config }): Promise<Store> {
    const { name, type } = store;
    const sorted = this.checkNew(kind, store);
    await this.mustWork(this.parts.storePlans.make(kind, name, type, sorted));
    const id = newId(this.parts.random);
    await this.change(actor, kind, "create", name, sorted.secrets, (draft) => {
      this.checkNew(kind, store);
      draft.insert(this.table(kind), { id, name, type, config: sorted.config, secrets: this.parts.storePlans.wrapped(kind, id, sorted.secrets) });
    });
    return this.get(kind, name);
  }

  async edit(actor: Actor, kind: StoreKind, name: string, config: Config, ifVersion: IfVersion): Promise<Store> {
    const decide = () => this.decideEdit(kind, name, config, ifVersion);
    const { row, sorted } = decide();
    const plan = this.parts.storePlans.make(kind, name, row.type, sorted);
    await this.mustWork(this.sharesOn(kind, row).length > 0 ? asItIs(plan) : plan);
    const draft: Change["make"] = (drafted) => {
      const now = decide();
      const set = { config: now.sorted.config, ...(now.secretsChanged ? { secrets: this.parts.storePlans.wrapped(kind, now.row.id, now.sorted.secrets) } : {}) };
      drafted.update(this.table(kind), now.row, set);
    };
    await this.change(actor, kind, "edit", name, config, draft, {}, { target: this.servedInMemory(kind, row), onFailure: "undo" });
    return this.get(kind, name);
  }

  async delete(actor: Actor, kind: StoreKind, name: string, ifVersion: IfVersion): Promise<void> {
    await this.change(actor, kind, "delete", name, {}, (draft) => {
      const row = this.row(kind, name);
      checkVersion(ifVersion, row, `${kind} store ${name}`);
      const users = this.sharesOn(kind, row);
      if (users.length > 0) throw new ControlError("in_use", `The ${kind} store ${name} holds data of ${users.join(", ")}.`, { hint: "Delete and purge those shares first." });
      draft.remove(this.table(kind), row);
    });
  }

  async check(kind: StoreKind, name: string): Promise<StoreHealth> {
    return this.parts.storeChecks.check(kind, this.row(kind, name));
  }

  known(kind: StoreKind, name: string): StoreHealth {
    return this.parts.storeChecks.known(kind, this.row(kind, name));
  }

  requests(kind: StoreKind, name: string): readonly StoreRequests[] {
    return this.parts.runtime.storeRequests(this.parts.storePlans.of(kind, this.row(kind, name)));
  }

  async rotateKeys(actor: Actor, name: string): Promise<readonly RotatedShare[]> {
    const row = this.row("block", name);
    const served = await this.parts.runtime.rotateKeys(this.parts.storePlans.of("block", row));
    const others = this.sharesOn("block", row).filter((share) => !served.some((one) => one.share === share));
    const rotated = [...served, ...others.map((share) => ({ share, master: null, keys: null, error: "it is not served, so its keyring is as it was: keep the old master key until it was rotated, too" }))];
    const also = { rotated: rotated.map(({ share, master }) => ({ share, master })) };
    await this.change(actor, "block", "rotate_keys", name, {}, (draft) => draft.touch(this.table("block"), this.row("block", name)), also);
    return rotated;
  }

  private change(actor: Actor, kind: StoreKind, verb: string, name: string, given: object, draft: Change["make"], more: Readonly<Record<string, unknown>> = {}, effect?: Effect): Promise<unknown> {
    const view = () => {
      const row = this.rows(kind).by("name", name);
      if (row === null) return null;
      const { usedBy: _usedBy, ...shown } = this.view(kind, row);
      return shown;
    };
    const set = Object.keys(given).filter((key) => this.isSecret(kind, name, key));
    const noted = { ...more, ...(set.length === 0 ? {} : { secretsSet: set }) };
    const also = Object.keys(noted).length === 0 ? {} : { also: noted };
    return make(this.parts, { actor, action: `${this.table(kind).name}.${verb}`, target: { type: `${kind}_store`, name }, view, ...also, make: draft }, effect);
  }

  private isSecret(kind: StoreKind, name: string, key: string): boolean {
    const type = this.rows(kind).by("name", name)?.type;
    const fields = type === undefined ? Object.assign({}, ...Object.values(storeTypes[kind])) : (storeTypes[kind][type] ?? {});
    return fields[key]?.secret === true;
  }

  private decideEdit(kind: StoreKind, name: string, config: Config, ifVersion: IfVersion): { readonly row: StoreRow; readonly sorted: SortedConfig; readonly secretsChanged: boolean } {
    const row = this.row(kind, name);
    checkVersion(ifVersion, row, `${kind} store ${name}`);
    const fields = storeTypes[kind][row.type] ?? {};
    const was = this.parts.storePlans.sorted(kind, row);
    const faults = new Faults();
    const sorted = readConfig(fields, config, was, faults);
    if (sorted.config["path"] !== was.config["path"]) this.checkPath(kind, name, row.type, sorted, faults);
    if (kind === "block") checkWrappers(sorted.config, faults);
    faults.refuse(`${kind} store ${name}`);
    const old = this.parts.storePlans.resolved(kind, name, row.type, was.config);
    const next = this.parts.storePlans.resolved(kind, name, row.type, sorted.config);
    const moved = Object.keys(fields).filter((key) => fields[key]?.movesData === true && old[key] !== next[key]);
    const users = moved.length === 0 ? [] : this.sharesOn(kind, row);
    if (users.length > 0) {
      throw new ControlError("in_use", `The ${kind} store ${name} holds data of ${users.join(", ")}, which another ${moved.join(", ")} would lose.`, {
        hint: "Add another store with this configuration, and create new shares on it.",
      });
    }
    if (kind === "block") refuseLosing(name, was.config, sorted.config, this.sharesOn(kind, row));
    return { row, sorted, secretsChanged: !Bun.deepEquals(was.secrets, sorted.secrets) };
  }

  private checkNew(kind: StoreKind, store: { readonly name: string; readonly type: string; readonly config?: Config }): SortedConfig {
    const { name, type, config = {} } = store;
    const faults = new Faults();
    faults.check("name", nameFault(name));
    faults.check("type", oneOfFault(type, Object.keys(storeTypes[kind])));
    faults.refuse(`${kind} store`);
    if (this.rows(kind).by("name", name) !== null) throw alreadyExists(`${kind} store`, name);
    const sorted = readConfig(storeTypes[kind][type] ?? {}, config, { config: {}, secrets: {} }, faults);
    this.checkPath(kind, name, type, sorted, faults);
    if (kind === "block") checkWrappers(sorted.config, faults);
    faults.refuse(`${kind} store ${name}`);
    return sorted;
  }

  /** Two stores in one directory would hold each other's shares, and of one within another a share might lie among the other's content. */
  private checkPath(kind: StoreKind, name: string, type: string, { config }: SortedConfig, faults: Faults): void {
    const { state, storePlans } = this.parts;
    const path = storePlans.resolved(kind, name, type, config)["path"];
    if (typeof path !== "string" || path === "") return;
    const misplaced = storePlans.pathFault(path);
    if (misplaced !== null) faults.add("config.path", misplaced);
    for (const [otherKind, rows] of [["metadata", state.metadataStores], ["block", state.blockStores]] as const) {
      for (const row of rows.all()) {
        if (otherKind === kind && row.name === name) continue;
        const other = storePlans.resolved(otherKind, row.name, row.type, row.config as Config)["path"];
        if (typeof other !== "string" || other === "") continue;
        if (other === path) faults.add("config.path", `is the directory of ${otherKind} store ${row.name}`);
        else if (isWithin(path, other)) faults.add("config.path", `lies in ${other}, the directory of ${otherKind} store ${row.name}; give each store a directory of its own`);
        else if (isWithin(other, path)) faults.add("config.path", `has ${other} in it, the directory of ${otherKind} store ${row.name}; give each store a directory of its own`);
      }
    }
  }

  private async mustWork(plan: StorePlan): Promise<void> {
    const health = await this.parts.runtime.tryStore(plan, true);
    if (health.healthy) return;
    throw new ControlError("store_unreachable", `The ${plan.kind} store ${plan.name} does not work: ${health.error ?? "it gave no reason"}`, { hint: "Nothing was changed; put it right and try again." });
  }

  private view(kind: StoreKind, row: StoreRow): Store {
    const { name, type, version, createdAt, updatedAt } = row;
    const { config, secrets } = this.parts.storePlans.of(kind, row);
    return { kind, name, type, config, secrets: Object.keys(secrets).sort(), usedBy: this.sharesOn(kind, row), version, createdAt, updatedAt };
  }

  /** Those that are deleted and not purged, too: their data is there. */
  private sharesOn(kind: StoreKind, row: StoreRow): readonly string[] {
    const shares = this.parts.state.shares.all();
    return shares.filter((share) => (kind === "metadata" ? share.metadataStoreId : share.blockStoreId) === row.id).map(({ name }) => name);
  }

  /** Those that would be empty, where other settings of the store can't be brought into effect with what they hold. */
  private servedInMemory(kind: StoreKind, row: StoreRow): readonly Target[] {
    const { state, runtime } = this.parts;
    const names = this.sharesOn(kind, row).filter((name) => {
      const share = state.shares.by("name", name);
      return share !== null && isVolatile(state, share) && runtime.share(name)?.state === "serving";
    });
    return names.map((name) => ({ type: "share", name }));
  }

  private table(kind: StoreKind): typeof tables.metadataStores {
    return kind === "metadata" ? tables.metadataStores : tables.blockStores;
  }

  private rows(kind: StoreKind): Rows<typeof tables.metadataStores> {
    return kind === "metadata" ? this.parts.state.metadataStores : this.parts.state.blockStores;
  }

  private row(kind: StoreKind, name: string): StoreRow {
    const row = this.rows(kind).by("name", name);
    if (row !== null) return row;
    throw notFound(`${kind} store`, name, this.rows(kind).all().map((store) => store.name));
  }
}
