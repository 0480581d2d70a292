/** The name came or went since it was looked up. */
export const raced = -1;

/** Others have to give something up first. */
export class Waiting {
  readonly until: Promise<void>;
  constructor(until: Promise<void>) {
    this.until = until;
  }
}
