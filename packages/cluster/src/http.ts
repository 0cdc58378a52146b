/**
 * What a process answers on its own port besides links: for container health checks, for people, and for their command line.
 *
 *     GET  /health   200 once it is ready, 503 before
 *     GET  /status   what it says of itself
 *     POST /…        what it can be told to do (database nodes: `node-commands`)
 */
import type { HttpAnswer, HttpRequest } from "@sixfold/ports";

/** The body of a command: a JSON object. */
export type CommandBody = Readonly<Record<string, unknown>>;

/** By path. */
export type Commands = Readonly<Record<string, (body: CommandBody) => HttpAnswer | Promise<HttpAnswer>>>;

export function answerHttp(
  { method, path, body }: HttpRequest,
  status: () => Record<string, unknown>,
  commands: Commands = {},
): HttpAnswer | Promise<HttpAnswer> | undefined {
  if (method === "POST") {
    const command = Object.hasOwn(commands, path) ? commands[path] : undefined;
    if (command === undefined) return undefined;
    const said = objectIn(body);
    return said === undefined ? json(400, { refused: "the body is a JSON object" }) : command(said);
  }
  if (path === "/status") return json(200, status());
  if (path !== "/health") return undefined;
  const { ready } = status();
  return json(ready === true ? 200 : 503, { ready: ready === true });
}

export function json(status: number, body: unknown): HttpAnswer {
  return { status, type: "application/json", body: `${JSON.stringify(body)}\n` };
}

/** No body says nothing, which is an object too. */
function objectIn(body: string): CommandBody | undefined {
  if (body.trim() === "") return {};
  try {
    const said: unknown = JSON.parse(body);
    return typeof said === "object" && said !== null && !Array.isArray(said)
      ? (said as CommandBody)
      : undefined;
  } catch {
    return undefined;
  }
}
