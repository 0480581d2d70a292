import { type Static, Type } from "@sinclair/typebox";
import { object } from "./route.ts";
import { Name, one, optional, orNull, ShareName, When } from "./schema-words.ts";

/** Long work: what is under way, how far it is, and what it found. */

export const JobKind = one(["fsck", "gc", "scrub", "migrate"]);
export const JobState = one(["running", "done", "failed", "cancelled"]);
const jobFields = {
  id: Type.String(),
  kind: JobKind,
  share: ShareName,
  state: JobState,
  started_by: Type.String(),
  started_at: When,
  ended_at: orNull(When),
  progress: object({
    step: Type.String({ description: "The part of the work that is under way." }),
    done: Type.Number(),
    total: orNull(Type.Number({ description: "Null: nobody knows." })),
    unit: Type.String(),
  }),
  findings_total: Type.Integer(),
  result: orNull(Type.Record(Type.String(), Type.Union([Type.Number(), Type.Boolean()]), { description: "Figures of what was done, once it is." })),
  error: orNull(Type.String({ description: "Why it failed." })),
};
export const Job = object(jobFields);
export type Job = Static<typeof Job>;
export const JobFinding = object({
  kind: Type.String({ description: "A stable word." }),
  severity: one(["damage", "notice"]),
  message: Type.String(),
  path: orNull(Type.String({ description: "From the share's root; null: it has none, or it is not about a file." })),
  file: orNull(Type.Integer({ description: "The file's id." })),
  pack: orNull(Type.Integer()),
  key: orNull(Type.String({ description: "Of an object in the block store." })),
  from: orNull(Type.Integer({ description: "Of the bytes that are touched, the first." })),
  to: orNull(Type.Integer({ description: "The byte after the last." })),
  repaired: Type.Boolean(),
});
export type JobFinding = Static<typeof JobFinding>;
export const JobDetail = object({ ...jobFields, findings: Type.Array(JobFinding, { description: "The first thousand." }) });
export type JobDetail = Static<typeof JobDetail>;
export const MigrateOptions = object({
  metadata: optional(Name),
  blocks: optional(Name),
  accept_volatile: optional(Type.Boolean({ description: "Needed to move into a metadata store of type memory: everything in the share is gone when the server stops." })),
});
export const ScrubOptions = object({ rate: optional(orNull(Type.Integer({ minimum: 65536, maximum: Number.MAX_SAFE_INTEGER, description: "Bytes a second; null or left out: as fast as it goes." }))) });
export const GcOptions = object({ delete: optional(Type.Boolean({ description: "Delete what may go; else it is only shown." })) });
export const FsckOptions = object({
  data: optional(Type.Boolean({ description: "Read all content and compare it with its checksums; else objects only have to be there, with their size." })),
  repair: optional(Type.Boolean({ description: "Put right what can be put right without doubt." })),
});
