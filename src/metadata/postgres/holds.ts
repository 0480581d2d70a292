import type { Need } from "./need.ts";
import type { Held, Slot } from "./slots.ts";
import type { View } from "./view.ts";

/** What sets that wait for their turn have asked for: it must still be there then. */
export class Holds {
  private readonly view: View;

  constructor(view: View) {
    this.view = view;
  }

  /** Keeps what a set that waits asked for, as far as it is still there; `drop` ends it. */
  hold(need: Need, into: Held[]): void {
    switch (need.what) {
      case "inode":
        return this.keep(this.view.inodes.get(need.id), into);
      case "pack":
        return this.keep(this.view.packs.get(need.id), into);
      case "extents":
      case "sum":
        return this.keep(this.view.files.get(need.file), into);
      case "referred":
      case "usage":
        return;
      case "folding": {
        const directory = this.view.names.all.get(need.parent);
        this.keep(directory?.foldings.get(need.key), into);
        for (const one of directory?.withKey(need.key) ?? []) this.keep(one, into);
        return;
      }
      case "name":
      case "entries": {
        const directory = this.view.names.all.get(need.what === "name" ? need.parent : need.id);
        if (directory === undefined) return;
        const one = need.what === "name" ? directory.names.get(need.name) : directory.names.values().find(({ row }) => row !== null);
        return this.keep(one ?? directory, into);
      }
    }
  }

  private keep(held: Held | undefined, into: Held[]): void {
    if (held === undefined) return;
    if (held.holds++ === 0) this.view.takeFromRing(held);
    into.push(held);
  }

  drop(held: readonly Held[]): void {
    for (const one of held) {
      if (--one.holds > 0) continue;
      if (one.kind === "directory" || one.kind === "folding" || (one as Slot).pins === 0) this.view.settle(one);
    }
  }
}
