import type { S3Options } from "#blocks/index.ts";
import type { StorePlan } from "#control/index.ts";
import type { Surroundings } from "../share/open-share.ts";

/** What a block store of type s3 says, in the words of the store that is opened. */
export function s3OptionsOf(plan: StorePlan, { clock, random, logger }: Pick<Surroundings, "clock" | "random" | "logger">): S3Options & { readonly createBucket: boolean } {
  const text = (key: string): string | undefined => (typeof plan.config[key] === "string" && plan.config[key] !== "" ? plan.config[key] : undefined);
  const toggle = (key: string): boolean | undefined => (typeof plan.config[key] === "boolean" ? plan.config[key] : undefined);
  const given = {
    region: text("region"),
    endpoint: text("endpoint"),
    prefix: text("prefix"),
    pathStyle: toggle("path_style"),
  };
  return {
    bucket: text("bucket") ?? "",
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<S3Options>),
    ...credentialsOf(text("access_key"), plan.secrets["secret_key"], plan.secrets["session_token"]),
    tls: { insecure: toggle("tls_skip_verify") ?? false, ...(text("ca_file") === undefined ? {} : { caFile: text("ca_file") as string }) },
    createBucket: toggle("create_bucket") ?? false,
    clock,
    random,
    logger,
  };
}

/** Without keys the SDK looks for them in environment, profile and role. Half of a pair is a mistake, not a wish for those. */
function credentialsOf(accessKeyId: string | undefined, secretAccessKey: string | undefined, sessionToken: string | undefined): Pick<S3Options, "credentials"> {
  if (accessKeyId === undefined && secretAccessKey === undefined) return {};
  if (accessKeyId === undefined || secretAccessKey === undefined) throw new Error(`the ${accessKeyId === undefined ? "access key" : "secret key"} is missing; give both, or neither to have them taken from the server's environment`);
  return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) } };
}
