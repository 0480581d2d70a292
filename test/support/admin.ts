import { adminPassword, type Server } from "./server.ts";

export interface Answer {
  readonly status: number;
  // biome-ignore lint: whatever the interface answers; each test says what it expects of it
  readonly body: any;
  readonly headers: Headers;
}

/** Somebody who is logged in at a server's REST interface; the administrator unless told. */
export class Admin {
  readonly url: string;
  readonly token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  static async at(server: Server, username = "admin", password = adminPassword): Promise<Admin> {
    const { status, body } = await request(server.apiUrl, "POST", "/api/v1/auth/login", { username, password }, {});
    if (status !== 200) throw new Error(`log-in as ${username}: ${status} ${JSON.stringify(body)}`);
    return new Admin(server.apiUrl, body.access_token);
  }

  /** Whatever is answered. */
  ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return request(this.url, method, path, body, { authorization: `Bearer ${this.token}` });
  }

  /** The body of what must succeed. */
  async do(method: string, path: string, body?: unknown): Promise<Answer["body"]> {
    const answer = await this.ask(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}

/** One call, with or without a token. */
export async function request(url: string, method: string, path: string, body: unknown, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text), headers: response.headers };
}
