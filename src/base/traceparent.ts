/** W3C Trace Context, level 1 §3.2: which trace a request belongs to, and which span of it asks. */
export interface TraceParent {
  /** 32 lowercase hexadecimal digits, not all 0. */
  readonly traceId: string;
  /** 16 of them. */
  readonly spanId: string;
  /** Whoever asks records the trace. */
  readonly sampled: boolean;
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const sampledFlag = 1;
/** Never a version; and what of an id stands for none. */
const noVersion = "ff";
const onlyZeros = /^0+$/;

/** Reads the value of a `traceparent`; null: it is none, and is to be ignored (§3.2.2.5, §4.3). A newer version may have more parts. */
export function parseTraceParent(text: string): TraceParent | null {
  const [, version, traceId = "", spanId = "", flags = "", more] = pattern.exec(text) ?? [];
  if (version === undefined || version === noVersion || (version === "00" && more !== undefined)) return null;
  if (onlyZeros.test(traceId) || onlyZeros.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & sampledFlag) !== 0 };
}

export function formatTraceParent({ traceId, spanId, sampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-0${sampled ? sampledFlag : 0}`;
}
