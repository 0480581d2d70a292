/**
 * What the server says about itself, a line an event: `pino.ts` writes them as text or JSON, `output.ts` to a file that is rotated,
 * `repeats.ts` says once what is said too often, `request.ts` knows on whose behalf something is said. A line that can't be written is
 * dropped: logging never brings the server down. No line holds a secret: none is handed to a logger, and fields named like one are blanked.
 */
export { type LogLevel, type LogOptions, type OpenLogger, openPinoLogger } from "./pino.ts";
