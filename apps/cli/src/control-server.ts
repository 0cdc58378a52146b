/**
 * How other commands reach `sixfold up`, which alone can start and end its processes: HTTP on loopback, at an address and with a
 * token that stand in the running file, so that only who may read that file may command.
 *
 *     POST /add-node {role, az?}     {name, role, az, pid, url}
 *     POST /add-spare {az?}          the same
 *     POST /stop {name, force?}      {name}
 *
 * What the cluster has against it is answered as {refused}.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { RunningCluster } from "@sixfold/cluster";
import { SixfoldError } from "@sixfold/model";
import { isObject } from "./status/node-status.ts";

/** Where to command a running cluster. */
export interface Control {
  readonly url: string;
  readonly token: string;
}

export interface ControlServer {
  readonly control: Control;
  close(): Promise<void>;
}

type Commanded = Pick<RunningCluster, "addNode" | "addServer" | "stopNode">;
/** What is said in a command, and answered. */
export type Body = Readonly<Record<string, unknown>>;

const BODY_BYTES_MAX = 10_000;
const HOST = "127.0.0.1";

/** `changed`: the nodes are others now; awaited before who asked hears so. */
export async function serveControl(cluster: Commanded, changed: () => Promise<void>): Promise<ControlServer> {
  const token = randomBytes(24).toString("base64url");
  const server = createServer((request, response) => {
    void answer(cluster, changed, token, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, HOST, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    control: { url: `http://${HOST}:${port}`, token },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  cluster: Commanded,
  changed: () => Promise<void>,
  token: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const say = (status: number, body: object): void => {
    response.writeHead(status, { "content-type": "application/json", connection: "close" });
    response.end(`${JSON.stringify(body)}\n`);
  };
  if (!isEqual(request.headers.authorization ?? "", `Bearer ${token}`)) return say(401, { refused: "no" });
  const command = commands[request.url ?? ""];
  if (request.method !== "POST" || command === undefined) return say(404, { refused: "no such command" });
  try {
    const done = await command(cluster, await bodyOf(request));
    await changed();
    say(200, done);
  } catch (error) {
    // What a cluster says in so many words; anything else is a defect of its supervisor, and is said too.
    const text = error instanceof Error ? error.message : String(error);
    say(error instanceof SixfoldError ? 409 : 500, { refused: text });
  }
}

const commands: Readonly<Record<string, (cluster: Commanded, body: Body) => Promise<object>>> = {
  "/add-node": ({ addNode }, { role, az }) => {
    if (role !== "writer" && role !== "replica") throw bad("role is writer or replica");
    return addNode(role, zoneIn(az));
  },
  "/add-spare": ({ addServer }, { az }) => addServer(zoneIn(az)),
  "/stop": async ({ stopNode }, { name, force }) => {
    if (typeof name !== "string") throw bad("name is that of a database node");
    await stopNode(name, force === true);
    return { name };
  },
};

function zoneIn(az: unknown): string | undefined {
  if (az === undefined || typeof az === "string") return az;
  throw bad("az is the name of a zone");
}

const bad = (what: string): SixfoldError => new SixfoldError("bad-request", what);

async function bodyOf(request: IncomingMessage): Promise<Body> {
  let text = "";
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > BODY_BYTES_MAX) throw bad("that is too much");
  }
  const body: unknown = text === "" ? {} : JSON.parse(text);
  if (!isObject(body)) throw bad("the body is a JSON object");
  return body;
}

function isEqual(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
