/** Asks a running `sixfold up` to do something; it is found by its data folder. */
import type { Body } from "./control-server.ts";
import { readControl } from "./running-file.ts";
import { isObject } from "./status/node-status.ts";
import { CommandError } from "./usage.ts";

/** More than a process takes to become ready, or to end. */
const ANSWER_WITHIN_MS = 90_000;

/** What it answers. Throws what it has against it. */
export async function command(dataDir: string, what: string, body: Body): Promise<Body> {
  const control = await readControl(dataDir);
  const nobody = new CommandError(`no cluster runs on ${dataDir}; start one with sixfold up`);
  if (control === undefined) throw nobody;
  let answer: unknown;
  try {
    const response = await fetch(`${control.url}${what}`, {
      method: "POST",
      headers: { authorization: `Bearer ${control.token}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    answer = await response.json();
  } catch (error) {
    if (error instanceof Error && error.name === "TimeoutError")
      throw new CommandError(`no answer within ${ANSWER_WITHIN_MS / 1000} s; see sixfold status`);
    throw nobody;
  }
  if (!isObject(answer)) throw new CommandError("the supervisor's answer makes no sense");
  if (typeof answer["refused"] === "string") throw new CommandError(answer["refused"]);
  return answer;
}
