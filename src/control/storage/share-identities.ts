import { tables } from "../database/tables.ts";
import { notFound } from "../checks.ts";
import type { Actor } from "../nouns.ts";
import type { Changes, State } from "../state/index.ts";

/** Whom the audit log names for what a server does by itself. */
const system: Actor = { name: "system", address: "" };

/**
 * Which tree each share is. The server that serves a share first notes the identity of its metadata; from then on no server serves
 * another tree under that name: not one whose stores are its own, nor one that lost its disk and would begin an empty tree.
 */
export class ShareIdentities {
  private readonly state: State;
  private readonly changes: Changes;
  /** Ids of shares that this server may begin. One that another server creates is that one's to begin. */
  private readonly own = new Set<string>();

  constructor(state: State, changes: Changes) {
    this.state = state;
    this.changes = changes;
  }

  /** In hexadecimal; null: not known yet. */
  of(shareId: string): string | null {
    return this.state.shareIdentities.get(shareId)?.instance ?? null;
  }

  mayBegin(shareId: string): boolean {
    return this.own.has(shareId);
  }

  /** What nobody has begun when this server starts: whoever of several servers comes first does. */
  allowAll(): void {
    for (const { id } of this.state.shares.all()) if (this.of(id) === null) this.own.add(id);
  }

  allow(shareId: string): void {
    this.own.add(shareId);
  }

  /** Notes the identity where none is known; gives the one that is known then, which another server may have noted first. */
  async note(shareId: string, instance: string): Promise<string> {
    const name = this.state.shares.get(shareId)?.name ?? "";
    await this.changes.run({
      actor: system,
      action: "shares.identify",
      target: { type: "share", name },
      view: () => {
        const known = this.state.shareIdentities.get(shareId);
        return known === null ? null : { instance: known.instance };
      },
      make: (draft) => {
        if (this.state.shares.get(shareId) === null) throw notFound("share", name, []);
        if (this.state.shareIdentities.get(shareId) === null) draft.insert(tables.shareIdentities, { shareId, instance });
      },
    });
    this.own.delete(shareId);
    return this.of(shareId) ?? instance;
  }
}
