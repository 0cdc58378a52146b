/**
 * What a process answers on its own port besides links: for container health checks, for people, and for their command line.
 *
 *     GET  /health   200 once it is ready, 503 before
 *     GET  /status   what it says of itself
 *     POST /replace  database nodes: has what a segment server keeps moved to others (`{leaving, joining?}`)
 */
import type { HttpAnswer, HttpRequest } from "@sixfold/ports";
import type { ReplaceAnswer } from "@sixfold/volume";

export function answerHttp(
  request: HttpRequest,
  status: () => Record<string, unknown>,
  replace?: (leaving: string, joining: string | undefined) => Promise<ReplaceAnswer>,
): HttpAnswer | Promise<HttpAnswer> | undefined {
  const { method, path } = request;
  if (method === "POST")
    return path === "/replace" && replace !== undefined ? command(request, replace) : undefined;
  if (path === "/status") return json(200, status());
  if (path !== "/health") return undefined;
  const { ready } = status();
  return json(ready === true ? 200 : 503, { ready: ready === true });
}

async function command(
  { body }: HttpRequest,
  replace: (leaving: string, joining: string | undefined) => Promise<ReplaceAnswer>,
): Promise<HttpAnswer> {
  const { leaving, joining } = JSON.parse(body) as { leaving?: unknown; joining?: unknown };
  const isName = (name: unknown): name is string => typeof name === "string" && name !== "";
  if (!isName(leaving) || (joining !== undefined && !isName(joining)))
    return json(400, { refused: "leaving, and joining if it is given, are names of segment servers" });
  const answer = await replace(leaving, joining);
  return json("refused" in answer ? 409 : 202, answer);
}

const json = (status: number, body: unknown): HttpAnswer => ({
  status,
  type: "application/json",
  body: `${JSON.stringify(body)}\n`,
});
