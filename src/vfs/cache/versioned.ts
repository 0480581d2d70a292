/** What was read of an inode while its attribute version was `version`. */
interface Held<T> {
  readonly version: number;
  readonly value: T;
  readonly weight: number;
}

/**
 * What was read of inodes lately, good as long as their attribute version stays: whatever changes it raises that. Two generations: what is
 * used moves to the young one; when that weighs enough it becomes the old one, and what nobody asked for goes.
 */
export class Versioned<T> {
  private readonly generationWeight: number;
  private young = new Map<number, Held<T>>();
  private old = new Map<number, Held<T>>();
  private weight = 0;

  constructor(weightMax: number) {
    this.generationWeight = weightMax / 2;
  }

  get(id: number, version: number): T | undefined {
    const young = this.young.get(id);
    if (young !== undefined) return young.version === version ? young.value : undefined;
    const old = this.old.get(id);
    if (old === undefined || old.version !== version) return undefined;
    this.hold(id, old);
    return old.value;
  }

  put(id: number, version: number, value: T, weight: number): void {
    this.hold(id, { version, value, weight });
  }

  private hold(id: number, held: Held<T>): void {
    if (held.weight > this.generationWeight) return;
    this.weight += held.weight - (this.young.get(id)?.weight ?? 0);
    if (this.weight > this.generationWeight) {
      this.old = this.young;
      this.young = new Map();
      this.weight = held.weight;
    }
    this.young.set(id, held);
  }
}
