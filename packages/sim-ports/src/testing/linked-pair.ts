/** Two simulated nodes with a link between them, and handlers that keep what they hear. */
import type { Link, LinkHandlers } from "@sixfold/ports";
import { fixedDelay } from "../delay.ts";
import { World, type WorldOptions } from "../world.ts";

export const maxFrameBytes = 1 << 20;
export const connectOptions = { maxFrameBytes, trusted: true, timeoutMs: 3000 };
export const quick = { network: { sameAz: fixedDelay(1), otherAz: fixedDelay(1) } };

export class Ear implements LinkHandlers {
  readonly frames: string[] = [];
  readonly reasons: string[] = [];
  readonly links: Link[] = [];
  readonly answers: boolean;
  constructor(answers = false) {
    this.answers = answers;
  }
  open(link: Link): void {
    this.links.push(link);
  }
  frame(link: Link, frame: Uint8Array): void {
    this.frames.push(Buffer.from(frame).toString());
    if (this.answers) link.send(frame);
  }
  closed(_link: Link, reason: string): void {
    this.reasons.push(reason);
  }
}

/** A server node `s` on port 7 and a client node `c` linked to it. */
export async function linkedPair(options: WorldOptions = quick, seed = 1, trusted = true) {
  const world = new World(seed, options);
  const server = new Ear();
  const client = new Ear();
  world.node("s", {
    boot: async (host) => void (await host.network.listen({ host: "", port: 7, maxFrameBytes }, server)),
  });
  world.node("c");
  await world.run(1);
  const { network } = world.find("c").host;
  const link = network.connect("ws://s:7", { ...connectOptions, trusted }, client);
  await world.run(() => client.links.length > 0);
  const send = (text: string): void => link.send(Buffer.from(text));
  return { world, server, client, link, send };
}

/** Runs the world until the promise is settled. */
export async function settled<T>(world: World, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settle = (): void => void (isSettled = true);
  promise.then(settle, settle);
  await world.run(() => isSettled);
  return promise;
}
