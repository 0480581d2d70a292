import { until } from "./wait.ts";

/** A request to take a profile. */
export interface Upload {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** The part `profile` of the form. */
  readonly profile: Uint8Array;
}

/** Takes profiles over HTTP as a Pyroscope server does, and keeps them. */
export class PyroscopeReceiver {
  readonly url: string;
  uploads: Upload[] = [];
  answer = { status: 200, text: "" };
  private readonly server: ReturnType<typeof Bun.serve>;

  constructor() {
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.take(request) });
    this.url = `http://127.0.0.1:${this.server.port}`;
  }

  clear(): void {
    this.uploads = [];
    this.answer = { status: 200, text: "" };
  }

  /** Resolves when so many have come. */
  async received(count: number, limitMs: number): Promise<void> {
    await until(`profile ${count}`, limitMs, () => (this.uploads.length >= count ? true : null));
  }

  async stop(): Promise<void> {
    await this.server.stop(true);
  }

  private async take(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (request.method !== "POST" || !(request.headers.get("content-type") ?? "").startsWith("multipart/form-data")) return new Response("no form", { status: 400 });
    const part = (await request.formData()).get("profile");
    if (!(part instanceof Blob)) return new Response("no profile", { status: 422 });
    this.uploads.push({ path: pathname, query: Object.fromEntries(searchParams), profile: await part.bytes() });
    return new Response(this.answer.text, { status: this.answer.status });
  }
}
