import { fieldsSchema } from "./fields.ts";
import { options } from "./options.ts";

/** The JSON schema of the configuration file, for editors. */
export function configSchema(): object {
  return { $schema: "https://json-schema.org/draft/2020-12/schema", title: "DittoFS configuration", ...fieldsSchema(options) };
}
