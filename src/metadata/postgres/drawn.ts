/** Numbers that were drawn lately and that no inode was made of since: nobody has them, and nobody need be asked. */
export class Drawn {
  private readonly numbers = new Set<number>();
  private readonly most: number;

  constructor(most: number) {
    this.most = most;
  }

  add(number: number): void {
    this.numbers.add(number);
    if (this.numbers.size > this.most) this.numbers.delete(this.numbers.values().next().value as number);
  }

  has(number: number): boolean {
    return this.numbers.has(number);
  }

  /** An inode was made of it. */
  delete(number: number): void {
    this.numbers.delete(number);
  }
}
