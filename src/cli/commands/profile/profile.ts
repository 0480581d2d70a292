import { unlinkSync, writeFileSync } from "node:fs";
import { contract } from "#api/contract/index.ts";
import { profileSeconds } from "#api/contract/routes/server.ts";
import { ExitStatus } from "../../ports.ts";
import { approximateSize, type Call, CommandFailure, UsageError, type Verb } from "../../remote/index.ts";

export const profile: Verb = {
  name: "profile",
  route: contract.profiles.take,
  summary: "Take a profile of the running server and write it as a pprof file: where it spends its time, or what is in its memory.",
  examples: ["dittofs profile cpu --seconds 10", "dittofs profile inuse_objects --output objects.pb.gz", "dittofs profile cpu --output cpu.pb.gz && go tool pprof -top cpu.pb.gz"],
  args: [{ name: "<type>", help: "cpu: where time is spent; inuse_objects: objects on the heap by class; inuse_space: resident memory by kind" }],
  flags: [{ flags: "--seconds <number>", help: `of cpu: how long it is recorded (default: ${profileSeconds.default}; at most ${profileSeconds.max})`, field: "seconds" }],
  extend: (command) => {
    command.option("-o, --output <file>", "the file to write, which must not be there (default: TYPE-TIME.pb.gz here)");
  },
  async run(call) {
    const type = typeOf(call.argument("type"));
    const { seconds = profileSeconds.default } = await call.fields<{ seconds?: number }>();
    const { min, max } = profileSeconds;
    if (seconds < min || seconds > max) throw new UsageError(`--seconds: ${seconds} is not allowed here; allowed: a whole number from ${min} to ${max}`);
    const file = call.text("output") ?? `${type}-${stamp(call)}.pb.gz`;
    // Better said before the profile is taken than after.
    write(file, new Uint8Array());
    unlinkSync(file);
    if (type === "cpu") call.terminal.err(`recording for ${seconds} s\n`);
    const taken = await call.session().call(contract.profiles.take, { params: { type }, query: { seconds } });
    write(file, taken);
    call.terminal.out(`wrote ${file} (${approximateSize(taken.byteLength)})\n`);
  },
};

const types = contract.profiles.take.params.properties.type.anyOf.map((each) => each.const);

function typeOf(given: string): (typeof types)[number] {
  const type = types.find((each) => each === given);
  if (type === undefined) throw new UsageError(`there are no profiles of type ${JSON.stringify(given)}; there are ${types.join(", ")}`);
  return type;
}

function stamp(call: Call): string {
  return new Date(call.context.clock.now().sec * 1000).toISOString().replaceAll(/[-:]/g, "").replace(/\.\d+/, "");
}

function write(file: string, bytes: Uint8Array): void {
  try {
    writeFileSync(file, bytes, { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw new CommandFailure(ExitStatus.conflict, `${file} is there already`, "give another name with --output, or remove it");
    throw new CommandFailure(ExitStatus.failed, `the profile can't be written: ${(error as Error).message}`);
  }
}
