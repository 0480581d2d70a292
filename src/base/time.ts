/** A moment: whole seconds since 1970-01-01T00:00:00Z and nanoseconds within the second (0..999,999,999). Immutable. */
export class Time {
  readonly sec: number;
  readonly nsec: number;

  constructor(sec: number, nsec: number) {
    this.sec = sec;
    this.nsec = nsec;
  }

  static readonly zero: Time = new Time(0, 0);

  equals(other: Time): boolean {
    return this.sec === other.sec && this.nsec === other.nsec;
  }

  isAfter(other: Time): boolean {
    return this.sec > other.sec || (this.sec === other.sec && this.nsec > other.nsec);
  }
}

/** `now`, or one nanosecond after `previous` where the clock has not moved past it, so that equal times never hide a change. */
export function timeAfter(previous: Time, now: Time): Time {
  if (now.isAfter(previous)) return now;
  return previous.nsec === 999_999_999 ? new Time(previous.sec + 1, 0) : new Time(previous.sec, previous.nsec + 1);
}
