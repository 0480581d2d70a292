import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { Function as PprofFunction, Line, Location, Mapping, Profile, Sample, StringTable, ValueType } from "pprof-format";
import type { CpuProfile } from "./cpu-recorder.ts";
import type { Amount } from "./heap.ts";
import type { Frame } from "./sampler.ts";
import { profileTypes, type ProfileType } from "./profile-types.ts";

const compress = promisify(gzip);

/**
 * Readers put functions of one name together, and Pyroscope shows the name alone: the source belongs to it. Without a prefix that all
 * have, and in square brackets, since readers take parentheses for a C++ signature and leave them out.
 */
function nameOf({ name, file }: Frame): string {
  return file === "" ? name : `${name} [${file.replace(/^src\//, "")}]`;
}

/** Writes the parts of a profile that refer to each other by number. */
class Writer {
  readonly strings = new StringTable();
  readonly functions: PprofFunction[] = [];
  readonly locations: Location[] = [];

  type(type: string, unit: string): ValueType {
    return new ValueType({ type: this.strings.dedup(type), unit: this.strings.dedup(unit) });
  }

  /** A new function and the one location in it; gives the location's number. */
  location(frame: Frame): number {
    const id = this.functions.length + 1;
    const name = this.strings.dedup(nameOf(frame));
    this.functions.push(new PprofFunction({ id, name, systemName: name, filename: this.strings.dedup(frame.file), startLine: frame.line }));
    this.locations.push(new Location({ id, mappingId: 1, line: [new Line({ functionId: id, line: frame.line })] }));
    return id;
  }

  /** The whole, compressed. The program is named so that readers don't look for symbols of their own. */
  async finish(program: string, rest: Pick<Profile, "sampleType" | "sample" | "timeNanos" | "durationNanos"> & Partial<Pick<Profile, "period" | "periodType">>): Promise<Uint8Array<ArrayBuffer>> {
    const mapping = new Mapping({ id: 1, filename: this.strings.dedup(program), hasFunctions: true, hasFilenames: true, hasLineNumbers: true });
    const profile = new Profile({ ...rest, mapping: [mapping], function: this.functions, location: this.locations, stringTable: this.strings });
    return new Uint8Array(await compress(profile.encode()));
  }
}

function nanos({ sec, nsec }: { readonly sec: number; readonly nsec: number }): bigint {
  return BigInt(sec) * 1_000_000_000n + BigInt(nsec);
}

/** Samples as a gzipped pprof profile, with the types that a profile of Go has: samples, and the time they stand for. */
export function encodeCpu({ stacks, intervalUs, startedAt, durationMs }: CpuProfile, program: string): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new Writer();
  const intervalNs = intervalUs * 1000;
  const locations = stacks.frames.map((frame) => writer.location(frame));
  const samples: Sample[] = [];
  for (const node of stacks.nodes) {
    if (node.samples === 0) continue;
    const locationId: number[] = [];
    for (let at: typeof node | undefined = node; at !== undefined; at = stacks.nodes[at.parent]) locationId.push(locations[at.frame] ?? 0);
    samples.push(new Sample({ locationId, value: [node.samples, node.samples * intervalNs] }));
  }
  return writer.finish(program, {
    sampleType: [writer.type("samples", "count"), writer.type("cpu", "nanoseconds")],
    sample: samples,
    timeNanos: nanos(startedAt),
    durationNanos: Math.round(durationMs * 1e6),
    periodType: writer.type("cpu", "nanoseconds"),
    period: intervalNs,
  });
}

/** Amounts, each under the words that lead to it, as a gzipped pprof profile. */
export function encodeAmounts(type: Exclude<ProfileType, "cpu">, amounts: readonly Amount[], at: { readonly sec: number; readonly nsec: number }, program: string): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new Writer();
  const known = new Map<string, number>();
  const locationOf = (name: string): number => {
    const id = known.get(name) ?? writer.location({ name, file: "", line: 0 });
    known.set(name, id);
    return id;
  };
  const sample = amounts.map(({ path, value }) => new Sample({ locationId: path.map(locationOf).toReversed(), value: [value] }));
  return writer.finish(program, { sampleType: [writer.type(type, profileTypes[type])], sample, timeNanos: nanos(at), durationNanos: 0 });
}
