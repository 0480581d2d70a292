import type { Activity } from "#telemetry/requests/rates.ts";

/** What goes on in the running server, measured only while somebody looks. Rates are a second's, latencies milliseconds. */
export type { Activity };

type Protocol = "nfs" | "smb";

export interface ShareActivity extends Activity {
  readonly name: string;
  readonly dirtyBytes: number;
  readonly unstoredBytes: number;
  readonly oldestUnstoredMs: number | null;
  readonly storeError: string | null;
}

export interface ClientActivity {
  readonly id: string;
  readonly protocol: Protocol;
  readonly address: string;
  readonly user: string | null;
  readonly shares: readonly string[];
  readonly requests: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly requestsTotal: number;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
}

export interface LiveFigures {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly intervalMs: number;
  readonly total: Activity;
  readonly protocols: readonly (Activity & { readonly protocol: Protocol })[];
  readonly procedures: readonly (Activity & { readonly protocol: Protocol; readonly name: string })[];
  readonly shares: readonly ShareActivity[];
  /** The busiest, the first the busiest of them. */
  readonly clients: readonly ClientActivity[];
  readonly clientsTotal: number;
  readonly dirtyBytes: number;
  readonly unstoredBytes: number;
}

export interface Live {
  /** Figures of the last so many seconds; where nobody looked so far, of the next. */
  figures(seconds: number): Promise<LiveFigures>;
  /** Calls `told` every so many seconds with figures of these, until it is ended. */
  follow(seconds: number, told: (figures: LiveFigures) => void): { end(): void };
}
