import { alreadyExists, checkVersion, Faults, meant, notFound, oneOfFault } from "../checks.ts";
import { type Core, type Effect, make, newId } from "../core.ts";
import { tables } from "../database/tables.ts";
import type { ShareRow } from "../effects/index.ts";
import { ControlError } from "../errors.ts";
import type { Actor, Grant, NewShare, Share, ShareFields } from "../nouns.ts";
import type { SharePlan } from "../runtime.ts";
import type { IfVersion, MoveTo, Shares } from "../services.ts";
import type { Change } from "../state/index.ts";
import { accessLevels } from "#model/identity.ts";
import { defaultStore } from "./default-store.ts";
import { checkTier, checkTogether, isVolatile, movedTo } from "./share-moves.ts";
import { checkShare, foldedName, shareDefaults, shareNameFault } from "./share-fields.ts";
import type { ShareIdentities } from "./share-identities.ts";
import { refuseInUse } from "./share-use.ts";
import type { ShareViews } from "./share-views.ts";

const noTarget: Effect = { target: null, onFailure: "keep" };

export interface SharesParts extends Core {
  readonly shareViews: ShareViews;
  readonly planOf: (share: ShareRow) => SharePlan;
  readonly identities: ShareIdentities;
}

export class ShareService implements Shares {
  private readonly parts: SharesParts;
  /** Ids of shares whose data is being removed: nobody may take them over meanwhile. */
  private readonly purging = new Set<string>();

  constructor(parts: SharesParts) {
    this.parts = parts;
  }

  list(): readonly Share[] {
    return this.rows(false).map((row) => this.parts.shareViews.share(row));
  }

  deleted(): readonly Share[] {
    return this.rows(true).map((row) => this.parts.shareViews.share(row));
  }

  get(name: string): Share {
    return this.parts.shareViews.share(this.row(name));
  }

  async create(actor: Actor, share: NewShare): Promise<Share> {
    const { name } = share;
    const action = share.adopt === true ? "adopt" : "create";
    await this.change(actor, action, name, { target: { type: "share", name }, onFailure: "undo" }, (draft) => {
      const faults = new Faults();
      faults.check("name", shareNameFault(name));
      const kept = this.kept(name, share.adopt === true);
      const metadata = this.store("metadata", share.metadata, kept?.metadataStoreId, faults);
      const blocks = this.store("block", share.blocks, kept?.blockStoreId, faults);
      if (metadata !== "" && blocks !== "" && kept === null) checkTogether(this.parts.state, { metadataStoreId: metadata, blockStoreId: blocks }, "blocks", faults);
      if (metadata !== "" && blocks !== "") checkTier(this.parts.state, { metadataStoreId: metadata, blockStoreId: blocks }, share.durability, faults);
      checkShare(this.parts.state, share, `share ${name}`, faults);
      const { name: _name, metadata: _metadata, blocks: _blocks, adopt: _adopt, rootMode, ...fields } = share;
      const set = { ...this.stored({ ...shareDefaults, ...fields }), deletedAt: null };
      if (kept === null) {
        const ids = { id: newId(this.parts.random), metadataStoreId: metadata, blockStoreId: blocks, metadataPath: "", blocksPath: "" };
        const row = { ...ids, ...set, name, rootMode: rootMode ?? shareDefaults.rootMode };
        this.checkLeftBehind(row, share.adopt === true);
        this.parts.identities.allow(row.id);
        draft.insert(tables.shares, row);
        return;
      }
      this.parts.identities.allow(kept.id);
      // Whoever takes data over decides anew who may use it.
      for (const grant of this.parts.state.grants.in("shareId", kept.id)) draft.remove(tables.grants, grant);
      draft.update(tables.shares, kept, { ...set, rootMode: kept.rootMode });
    });
    return this.get(name);
  }

  async edit(actor: Actor, name: string, change: Partial<ShareFields>, ifVersion: IfVersion): Promise<Share> {
    const before = this.row(name);
    // One that was not served before is none the worse for this: nothing must keep anybody from closing it to clients. To serve it again is another matter.
    const running = this.parts.runtime.share(name);
    const cause = running?.state === "serving" || (change.enabled === true && !before.enabled && running?.elsewhere !== true);
    const target = { type: "share", name } as const;
    const done = await this.change(actor, "edit", name, { target, onFailure: cause ? "undo" : "keep" }, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `share ${name}`);
      const faults = new Faults();
      if (change.durability !== row.durability) checkTier(this.parts.state, row, change.durability, faults);
      checkShare(this.parts.state, change, `share ${name}`, faults);
      draft.update(tables.shares, row, this.stored(change));
    });
    // Nothing to change, but it is not served: somebody has put its store right and wants it tried again.
    if (done === null && change.enabled === true && this.parts.runtime.share(name)?.state === "failed") await this.parts.effects.retry(target);
    return this.get(name);
  }

  movePlan(name: string, to: MoveTo): SharePlan {
    const row = this.row(name);
    return this.parts.planOf({ ...row, ...movedTo(this.parts.state, row, to) });
  }

  async moved(actor: Actor, name: string, to: MoveTo): Promise<void> {
    await this.change(actor, "move", name, { target: { type: "share", name }, onFailure: "undo" }, (draft) => {
      const row = this.row(name);
      const moved = movedTo(this.parts.state, row, to);
      draft.update(tables.shares, row, moved);
      // In memory it is another tree at each start, and where it goes from there is noted anew.
      const known = this.parts.state.shareIdentities.get(row.id);
      if (!isVolatile(this.parts.state, { ...row, ...moved })) return;
      if (known !== null) draft.remove(tables.shareIdentities, known);
      this.parts.identities.allow(row.id);
    });
  }

  async accept(actor: Actor, name: string, ifVersion: IfVersion): Promise<Share> {
    const serving = `Share ${name} is served here by what the control plane knows it by.`;
    if (this.parts.runtime.share(name)?.state === "serving") throw new ControlError("conflict", serving, { hint: "There is nothing to accept." });
    await this.change(actor, "accept", name, { target: { type: "share", name }, onFailure: "undo" }, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `share ${name}`);
      const known = this.parts.state.shareIdentities.get(row.id);
      if (known !== null) draft.remove(tables.shareIdentities, known);
      this.parts.identities.allow(row.id);
      draft.touch(tables.shares, row);
    });
    return this.get(name);
  }

  async delete(actor: Actor, name: string, how: { readonly force: boolean; readonly purge: boolean }, ifVersion: IfVersion): Promise<void> {
    const row = this.parts.state.shares.by("name", name);
    if (row === null || (row.deletedAt !== null && !how.purge)) throw this.missing(name);
    if (row.deletedAt === null) await this.close(actor, name, how, ifVersion);
    else checkVersion(ifVersion, row, `share ${name}`);
    if (!how.purge) return;
    await this.purge(actor, row.id).catch((error: unknown) => {
      throw row.deletedAt === null ? notPurged(name, error) : error;
    });
  }

  grants(name: string): readonly Grant[] {
    return this.parts.shareViews.grants(this.row(name));
  }

  async grant(actor: Actor, name: string, grant: Grant, ifVersion: IfVersion): Promise<Grant> {
    await this.change(actor, "grant", name, noTarget, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `share ${name}`);
      const faults = new Faults();
      faults.check("level", oneOfFault(grant.level, accessLevels));
      faults.refuse(`grant on share ${name}`);
      const key = { shareId: row.id, subjectType: grant.type, subjectId: this.subject(grant) };
      const was = this.parts.state.grants.get(key.shareId, key.subjectType, key.subjectId);
      if (was?.level === grant.level) return;
      if (was === null) draft.insert(tables.grants, { ...key, level: grant.level });
      else draft.update(tables.grants, was, { level: grant.level });
      draft.touch(tables.shares, row);
    });
    return { type: grant.type, name: grant.name, level: grant.level };
  }

  async revoke(actor: Actor, name: string, subject: Pick<Grant, "type" | "name">, ifVersion: IfVersion): Promise<void> {
    await this.change(actor, "revoke", name, noTarget, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `share ${name}`);
      const was = this.parts.state.grants.get(row.id, subject.type, this.subject(subject));
      if (was === null) throw new ControlError("not_found", `Share ${name} has no grant for ${subject.type} ${subject.name}.`, { hint: "What it has may come from a group or from the share's default permission." });
      draft.remove(tables.grants, was);
      draft.touch(tables.shares, row);
    });
  }

  private change(actor: Actor, verb: string, name: string, effect: Effect, draft: Change["make"]): ReturnType<typeof make> {
    const view = () => {
      const row = this.parts.state.shares.by("name", name);
      return row === null ? null : this.parts.shareViews.audited(row);
    };
    return make(this.parts, { actor, action: `shares.${verb}`, target: { type: "share", name }, view, make: draft }, effect);
  }

  private rows(deleted: boolean): readonly ShareRow[] {
    return this.parts.state.shares.all().filter(({ deletedAt }) => (deletedAt !== null) === deleted);
  }

  private row(name: string): ShareRow {
    const row = this.parts.state.shares.by("name", name);
    if (row === null || row.deletedAt !== null) throw this.missing(name);
    return row;
  }

  private missing(name: string): ControlError {
    const row = this.parts.state.shares.by("name", name);
    if (row === null) return notFound("share", name, this.rows(false).map((share) => share.name));
    return new ControlError("not_found", `Share ${name} was deleted.`, { hint: "Its data is still there: create the share with adopt to take it over, or delete it with purge to remove it." });
  }

  /** The row of a share that was deleted and is taken over; null for a new one. Throws where the name is not to be had. */
  private kept(name: string, adopt: boolean): ShareRow | null {
    const like = this.parts.state.shares.all().find((row) => foldedName(row.name) === foldedName(name)) ?? null;
    if (adopt) {
      if (like === null) return null;
      if (like.name !== name) throw nothingToAdopt(name);
      if (like.deletedAt === null) throw alreadyExists("share", name);
      if (this.purging.has(like.id)) throw new ControlError("conflict", `The data of share ${name} is being removed.`);
      return like;
    }
    if (like === null) return null;
    if (like.deletedAt !== null) {
      throw new ControlError("data_exists", `Share ${like.name} was deleted, and its data is still there.`, { hint: "Create the share with adopt to take the data over, or delete it with purge first." });
    }
    if (like.name === name) throw alreadyExists("share", name);
    throw alreadyExists("share", like.name, "names that differ only in upper and lower case are the same share to SMB clients");
  }

  /** Files of a share that the control plane doesn't know (its database is new, or of an older backup) are shown to nobody unasked. */
  private checkLeftBehind(row: Omit<ShareRow, "version" | "createdAt" | "updatedAt">, adopt: boolean): void {
    const found = this.parts.runtime.leftBehind(this.parts.planOf({ ...row, version: 0, createdAt: 0, updatedAt: 0 }));
    if (found === null && adopt) throw nothingToAdopt(row.name);
    if (found === null || adopt) return;
    throw new ControlError("data_exists", `Files of an earlier share ${row.name} are still there: ${found}.`, {
      hint: "Create the share with adopt to take them over. If they may go: do that, then delete it with purge, and create it anew.",
    });
  }

  /** The id of the store a new share names; `kept`: that of the share it takes over. */
  private store(kind: "metadata" | "block", given: string | undefined, kept: string | undefined, faults: Faults): string {
    const stores = kind === "metadata" ? this.parts.state.metadataStores : this.parts.state.blockStores;
    const field = kind === "metadata" ? "metadata" : "blocks";
    if (given === undefined && kept !== undefined) return kept;
    const name = given ?? defaultStore;
    const row = stores.by("name", name);
    if (row === null) {
      const names = stores.all().map((store) => store.name);
      faults.add(field, `there is no ${kind} store ${JSON.stringify(name.slice(0, 64))}${meant(name, names)}`);
      return "";
    }
    if (kept !== undefined && row.id !== kept) faults.add(field, `the data to take over is in ${kind} store ${stores.get(kept)?.name}`);
    return row.id;
  }

  /** Netgroups are kept by id. */
  private stored<F extends Partial<ShareFields>>(fields: F): F {
    const { netgroups } = fields;
    if (netgroups === undefined) return fields;
    const ids = [...new Set(netgroups)].flatMap((name) => this.parts.state.netgroups.by("name", name)?.id ?? []);
    return { ...fields, netgroups: ids.sort() };
  }

  private subject({ type, name }: Pick<Grant, "type" | "name">): string {
    const { users, groups } = this.parts.state;
    const row = type === "user" ? users.by("name", name) : groups.by("name", name);
    if (row !== null) return row.id;
    const all: readonly { readonly name: string }[] = type === "user" ? users.all() : groups.all();
    throw notFound(type, name, all.map((one) => one.name));
  }

  private async close(actor: Actor, name: string, { force, purge }: { readonly force: boolean; readonly purge: boolean }, ifVersion: IfVersion): Promise<void> {
    // Whoever takes the share over is to have all of it. Before its clients are looked at, whose being in the way is an invitation to use force.
    if (!force && !purge) await this.parts.runtime.refuseLosing(name);
    await this.change(actor, "delete", name, noTarget, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `share ${name}`);
      if (!force) refuseInUse(this.parts, name);
      draft.update(tables.shares, row, { deletedAt: this.parts.changes.nowMs() });
    });
  }

  /** The data first, the row last: what is cut short is done again by the same call. */
  private async purge(actor: Actor, id: string): Promise<void> {
    const row = this.parts.state.shares.get(id);
    if (row === null || row.deletedAt === null) throw new ControlError("conflict", `Share ${row?.name ?? ""} was changed meanwhile: its data was not removed.`);
    const { name } = row;
    if (this.purging.has(id)) throw new ControlError("conflict", `The data of share ${name} is being removed already.`);
    this.purging.add(id);
    try {
      if (this.parts.runtime.share(name) !== null) {
        throw new ControlError("in_use", `share ${name} is deleted, and could not be closed yet.`, { hint: "Look at the server's log for the reason, then purge it again." });
      }
      const others = this.parts.state.shares.all().filter((other) => other.id !== id);
      await this.parts.runtime.purge(this.parts.planOf(row), others.map((other) => this.parts.planOf(other)));
      await this.change(actor, "purge", name, noTarget, (draft) => {
        const now = this.parts.state.shares.get(id);
        if (now !== null) draft.remove(tables.shares, now);
      });
    } finally {
      this.purging.delete(id);
    }
  }
}

/** Of two things that were asked for, one was done. */
function notPurged(name: string, error: unknown): unknown {
  if (!(error instanceof ControlError)) return error;
  const { code, message, hint, fields, retryAfterSec } = error;
  return new ControlError(code, `Share ${name} was deleted, and its data was not removed: ${message}`, { fields, ...(hint === null ? {} : { hint }), ...(retryAfterSec === null ? {} : { retryAfterSec }) });
}

function nothingToAdopt(name: string): ControlError {
  return new ControlError("not_found", `There is no deleted share ${name} whose data could be taken over.`, { hint: "Create it without adopt." });
}
