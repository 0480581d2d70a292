import { i32 } from "#wire/le.ts";
import type { Tree } from "../tree/tree.ts";
import type { Open } from "./open.ts";

/** Files all clients together may have open. */
const opensMax = 1_048_576;

/** The open files of the server, by the number in their file id. */
export class Opens {
  private readonly all = new Map<number, Open>();
  private numbers = 0;

  get size(): number {
    return this.all.size;
  }

  get full(): boolean {
    return this.all.size >= opensMax;
  }

  /** A number no open file has. */
  next(): number {
    do this.numbers = (this.numbers + 1) & 0x7fffffff;
    while (this.numbers === 0 || this.all.has(this.numbers));
    return this.numbers;
  }

  add(open: Open): void {
    this.all.set(open.number, open);
    open.tree.opens.add(open);
    open.tree.session.opens++;
  }

  remove(open: Open): void {
    if (!this.all.delete(open.number)) return;
    open.tree.opens.delete(open);
    open.tree.session.opens--;
  }

  has(open: Open): boolean {
    return this.all.get(open.number) === open;
  }

  /** The open file whose id stands at `at`; null where there is none of this tree. */
  find(b: Uint8Array, at: number, tree: Tree): Open | null {
    const number = i32(b, at + 8);
    const open = this.all.get(number);
    if (open === undefined || open.tree !== tree) return null;
    const same = open.persistentLow === i32(b, at) && open.persistentHigh === i32(b, at + 4) && open.volatileLow === number && open.volatileHigh === i32(b, at + 12);
    return same ? open : null;
  }

  list(): readonly Open[] {
    return [...this.all.values()];
  }
}
