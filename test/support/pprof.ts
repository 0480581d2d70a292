import { gunzipSync } from "node:zlib";
import { Profile } from "pprof-format";

/** A profile as a reader of pprof files sees it. */
export interface ReadProfile {
  /** `cpu/nanoseconds`. */
  readonly types: readonly string[];
  /** Names of functions from the top of the stack to its root, and a value of each type. */
  readonly samples: readonly { readonly stack: readonly string[]; readonly values: readonly number[] }[];
  readonly files: ReadonlyMap<string, string>;
  readonly periodNs: number;
  readonly timeSec: number;
  readonly durationMs: number;
}

/** Reads a gzipped pprof file, by the package that other programs read them with. */
export function readProfile(file: Uint8Array): ReadProfile {
  const profile = Profile.decode(gunzipSync(file));
  const text = (index: number | bigint): string => profile.stringTable.strings[Number(index)] ?? "?";
  const functions = new Map(profile.function.map((each) => [Number(each.id), { name: text(each.name), file: text(each.filename) }]));
  const locations = new Map(profile.location.map((each) => [Number(each.id), functions.get(Number(each.line[0]?.functionId))]));
  return {
    types: profile.sampleType.map(({ type, unit }) => `${text(type)}/${text(unit)}`),
    samples: profile.sample.map(({ locationId, value }) => ({ stack: locationId.map((id) => locations.get(Number(id))?.name ?? "?"), values: value.map(Number) })),
    files: new Map([...functions.values()].map(({ name, file: source }) => [name, source])),
    periodNs: Number(profile.period),
    timeSec: Number(BigInt(profile.timeNanos) / 1_000_000_000n),
    durationMs: Number(profile.durationNanos) / 1e6,
  };
}

/** The sum of the first value of the samples in whose stack `frame` is. */
export function samplesIn(profile: ReadProfile, frame: RegExp): number {
  return profile.samples.filter(({ stack }) => stack.some((name) => frame.test(name))).reduce((sum, { values }) => sum + (values[0] ?? 0), 0);
}
