/** The Network port of one incarnation on the world's fabric. */
import type { ConnectOptions, Link, LinkHandlers, ListenAddress, Listener, Network } from "@sixfold/ports";
import type { ListenState, SimFabric } from "./sim-fabric.ts";
import { SimLink } from "./sim-link.ts";
import type { Incarnation, Machine, Timeline } from "./timeline.ts";

/** A connection request that nobody answers is repeated at this interval, until its time is up. */
const requestRepeatMs = 250;

interface Target {
  readonly name: string;
  readonly port: number;
}

export class SimNetwork implements Network {
  readonly #world: Timeline;
  readonly #fabric: SimFabric;
  readonly #owner: Incarnation;

  constructor(world: Timeline, fabric: SimFabric, owner: Incarnation) {
    this.#world = world;
    this.#fabric = fabric;
    this.#owner = owner;
  }

  /** `at.host` is of no account: a node listens under its name. `at.http` is not served. */
  listen(at: ListenAddress, handlers: LinkHandlers): Promise<Listener> {
    const fabric = this.#fabric;
    const { name } = this.#owner.node;
    // The dead get no answer.
    if (!this.#owner.alive) return new Promise(() => {});
    const made = fabric.listen(this.#owner, at, handlers);
    if (made instanceof Error) return Promise.reject(made);
    const { state, port } = made;
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= new Promise((resolve) => {
        fabric.unlisten(name, port);
        for (const link of state.links) link.close("the listener was closed");
        const resolveIfDone = (): void => {
          if (state.links.size === 0) resolve();
        };
        for (const link of state.links)
          link.whenEnded(() => {
            state.links.delete(link);
            resolveIfDone();
          });
        resolveIfDone();
      });
      return closing;
    };
    return Promise.resolve({ port, url: `ws://${name}:${port}`, close });
  }

  connect(url: string, options: ConnectOptions, handlers: LinkHandlers): Link {
    const { maxFrameBytes, timeoutMs, trusted } = options;
    const world = this.#world;
    const link = new SimLink(world, this.#fabric, {
      owner: this.#owner,
      remote: url,
      handlers,
      maxFrameBytes,
      isClient: true,
      trusted,
    });
    if (!this.#owner.alive) {
      link.ownerDied("reset");
      return link;
    }
    const target = parse(url, this.#owner.node.name);
    const fail = (afterMs: number, reason: string): void => {
      const run = (): void => {
        if (link.isConnecting) link.abandon(reason);
      };
      world.schedule(world.nowMs + afterMs, {
        owner: this.#owner,
        kind: "connect-failed",
        detail: link.id,
        run,
      });
    };
    if (target === undefined) {
      fail(0, `not an address: ${url}`);
      return link;
    }
    fail(timeoutMs, "connecting timed out");
    this.#request(link, target);
    return link;
  }

  /** The request is under way; what it meets depends on how things are when it arrives. */
  #request(link: SimLink, target: Target): void {
    const world = this.#world;
    const from = this.#owner.node;
    const to = world.nodes.find((node) => node.name === target.name);
    const refuse = (why: string): void => {
      const back = to === undefined ? 0 : this.#fabric.drawLatency(to, from);
      const run = (): void => {
        if (link.isConnecting) link.end(why);
      };
      world.schedule(world.nowMs + back, { owner: this.#owner, kind: "refused", detail: link.id, run });
    };
    if (to === undefined) {
      refuse(`no such host: ${target.name}`);
      return;
    }
    const arrive = (): void => {
      if (!this.#owner.alive || !link.isConnecting) return;
      const unheard = to.isDark || this.#fabric.isBlocked(from, to) || this.#fabric.isBlocked(to, from);
      if (unheard) {
        const run = (): void => this.#request(link, target);
        world.schedule(world.nowMs + requestRepeatMs, {
          owner: this.#owner,
          kind: "request",
          detail: link.id,
          run,
        });
        return;
      }
      const listening = this.#fabric.listener(target.name, target.port);
      if (listening === undefined) refuse("connection refused");
      else this.#accept(link, from, listening, refuse);
    };
    const due = world.nowMs + this.#fabric.drawLatency(from, to);
    world.schedule(due, { owner: undefined, kind: "request", detail: link.id, run: arrive });
  }

  /** The listener's process answers, when it gets to it. */
  #accept(client: SimLink, from: Machine, listening: ListenState, refuse: (why: string) => void): void {
    const world = this.#world;
    const { owner, handlers, at, links } = listening;
    const run = (): void => {
      if (!client.isConnecting || !client.owner.alive) return;
      if (!listening.isOpen) {
        refuse("connection refused");
        return;
      }
      const { maxFrameBytes } = at;
      const remote = `${from.name}#${client.id}`;
      const server = new SimLink(world, this.#fabric, {
        owner,
        remote,
        handlers,
        maxFrameBytes,
        isClient: false,
        trusted: client.trusted,
      });
      links.add(server);
      server.whenEnded(() => links.delete(server));
      SimLink.join(client, server);
    };
    world.schedule(world.nowMs, { owner, kind: "accept", detail: client.id, run });
  }
}

function parse(url: string, self: string): Target | undefined {
  const match = /^ws:\/\/([^/:]+):(\d+)\/?$/.exec(url);
  if (match === null) return undefined;
  const name = match[1]!;
  return { name: name === "127.0.0.1" || name === "localhost" ? self : name, port: Number(match[2]) };
}
