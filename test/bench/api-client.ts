import { connect } from "node:net";

/** Where a server's REST interface is, and how its administrator logs in. */
export interface ApiPlace {
  readonly port: number;
  readonly password: string;
}

/** What a client of the REST interface does to measure it: little of its own. */
export interface ApiClient {
  post(path: string, body: object): Promise<void>;
  /** Asks over so many connections, each as soon as it is answered. Throws where an answer is not 200. */
  keepAsking(path: string, connections: number, seconds: number): Promise<{ readonly answers: number; readonly bytes: number; readonly wallSec: number }>;
  /** The status a log-in from this address of the machine is answered with. */
  login(username: string, password: string, from: string): Promise<string>;
}

interface Load {
  answers: number;
  bytes: number;
  stop: boolean;
}

/** Over one connection until told to stop. */
function ask(port: number, request: Buffer, load: Load): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    let text = "";
    socket.setEncoding("latin1");
    socket.on("error", reject);
    socket.on("close", () => resolve());
    socket.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
      if (end < 0 || text.length < end + 4 + length) return;
      if (!text.startsWith("HTTP/1.1 200")) return void reject(new Error(text.slice(0, 300)));
      load.answers++;
      load.bytes += text.length;
      text = "";
      if (load.stop) socket.destroy();
      else socket.write(request);
    });
  });
}

/** Of an answer over a connection of its own: everything, as it came. */
function once(port: number, request: string, from: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress: from }, () => socket.write(request));
    let text = "";
    socket.setEncoding("latin1");
    socket.on("error", reject);
    socket.on("data", (chunk: string) => (text += chunk));
    socket.on("close", () => resolve(text));
  });
}

/** A client that is logged in as the administrator. */
export async function openClient({ port, password: adminPassword }: ApiPlace): Promise<ApiClient> {
  const post = async (path: string, body: object, token: string, from: string): Promise<string> => {
    const text = JSON.stringify(body);
    const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n${token === "" ? "" : `Authorization: Bearer ${token}\r\n`}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n`;
    return await once(port, head + text, from);
  };
  const path = "/api/v1/auth/login";
  const answer = await post(path, { username: "admin", password: adminPassword }, "", "127.0.0.1");
  const token = /"access_token":"([^"]+)"/.exec(answer)?.[1];
  if (token === undefined) throw new Error(`the administrator can't log in: ${answer.slice(0, 500)}`);
  return {
    async post(to, body) {
      const created = await post(to, body, token, "127.0.0.1");
      if (!created.startsWith("HTTP/1.1 201")) throw new Error(`POST ${to}: ${created.slice(0, 500)}`);
    },
    async keepAsking(of, connections, seconds) {
      const request = Buffer.from(`GET ${of} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n\r\n`);
      const load: Load = { answers: 0, bytes: 0, stop: false };
      const began = performance.now();
      const timer = setTimeout(() => (load.stop = true), seconds * 1000);
      await Promise.all(Array.from({ length: connections }, () => ask(port, request, load))).finally(() => clearTimeout(timer));
      return { answers: load.answers, bytes: load.bytes, wallSec: (performance.now() - began) / 1000 };
    },
    login: async (username, password, from) => (await post(path, { username, password }, "", from)).slice(9, 12),
  };
}
