import { withPassword } from "./checks.ts";
import { section, text, texts, toggle } from "./option.ts";
import { didYouMean } from "./suggest.ts";

/** Those there are. */
export const profileTypes = ["cpu", "inuse_objects", "inuse_space"] as const;
const allowed = profileTypes.join(", ");

/** Types that profiles of other programs have, and why the runtime of this one has none of them. */
const refused: Readonly<Record<string, string>> = {
  alloc_objects: "the runtime does not count what is allocated, only what is there",
  alloc_space: "the runtime does not count what is allocated, only what is there",
  goroutines: "there are none: one event loop does the work",
  mutex_count: "there are no locks between threads to wait for",
  mutex_duration: "there are no locks between threads to wait for",
  block_count: "the runtime does not count what waits",
  block_duration: "the runtime does not count what waits",
  wall: "the runtime takes no samples while the event loop waits; cpu is the time it doesn't",
};

/** Says what is wrong with a type of profiles. */
function checkProfileType(value: string): string | null {
  if ((profileTypes as readonly string[]).includes(value)) return null;
  if (Object.hasOwn(refused, value)) return `there are no profiles of type ${value}: ${refused[value]}`;
  const near = didYouMean(value, profileTypes);
  return `${JSON.stringify(value)} is not allowed here${near === null ? "" : `; did you mean ${near}?`}`;
}

/** Says what is wrong with the address of a server that is sent something. */
function checkServerUrl(value: string): string | null {
  // Anywhere: a password with a / in it ends the host. A path that has one is written with %40.
  if (value.includes("@")) return withPassword;
  if (value.includes("?") || value.includes("#")) return "an address with something after its path, where keys may be that would be shown and logged";
  const url = URL.parse(value);
  return url === null || !["http:", "https:"].includes(url.protocol) ? `${JSON.stringify(value)} is no address of a server` : null;
}

export const profilingOptions = section("Profiles, pushed to a Pyroscope server every 15 seconds.", {
  enabled: toggle({ help: "Take profiles all the time and push them. `dittofs profile` needs no such switch.", default: false, example: "true", since: "0.1.0" }),
  endpoint: text({ help: "Where Pyroscope is.", default: "http://localhost:4040", example: "http://pyroscope.example.com:4040", since: "0.1.0", allowed: "http://HOST:PORT or https://HOST:PORT, maybe with a path", check: checkServerUrl }),
  profile_types: texts({
    help: "cpu: where time is spent. inuse_objects: objects on the heap by class. inuse_space: resident memory by kind. Repeatable as a flag.",
    default: ["cpu"],
    example: "[cpu, inuse_objects, inuse_space]",
    since: "0.1.0",
    allowed,
    of: { enum: profileTypes },
    check: checkProfileType,
  }),
});
