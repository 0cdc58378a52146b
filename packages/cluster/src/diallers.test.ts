import { nodeName } from "@sixfold/model";
import { NodeHost } from "@sixfold/node-ports";
import type { Listener } from "@sixfold/ports";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listenerHandlers, type Identity } from "./channel.ts";
import { Diallers } from "./diallers.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Journal } from "./journal.ts";

const identity = (name: string): Identity => ({ role: "node", name, volume: "v", token: "" });
const journal = new Journal(() => undefined);
const never = { up: () => undefined, message: () => undefined, down: () => undefined };

describe("links to a list that changes", () => {
  const listeners = new Map<string, Listener>();
  beforeAll(async () => {
    for (const [place, name] of [
      ["one", "writer-1"],
      ["two", "writer-2"],
      ["three", "writer-1"],
    ] as const) {
      const listener = await new NodeHost(name, ".").network.listen(
        { host: "127.0.0.1", port: 0, maxFrameBytes: 1000, http: () => undefined },
        listenerHandlers(identity(name), never, journal, new Heartbeats()),
      );
      listeners.set(place, listener);
    }
  });
  afterAll(async () => {
    for (const listener of listeners.values()) await listener.close();
  });
  /** Links that a test keeps, and what it hears of them. */
  function links() {
    const events: string[] = [];
    let changed = (): void => undefined;
    const happened = (event: string): void => {
      events.push(event);
      changed();
    };
    const { clock, network } = new NodeHost("dialler", ".");
    const diallers = new Diallers({
      ...{ clock, network, identity: identity("dialler"), journal, heartbeats: new Heartbeats() },
      latencyMsTo: () => 0,
      eventsFor: (name) => ({
        up: (channel) => happened(`${channel.peer?.name} up`),
        message: () => undefined,
        down: () => happened(`${name} down`),
      }),
    });
    return {
      diallers,
      keep: (...targets: [name: string, at: string][]): void =>
        diallers.keep(
          targets.map(([name, at]) => ({ name: nodeName(name), az: "a", url: listeners.get(at)!.url })),
        ),
      /** Resolves with all that has happened, once that is so much. */
      happenings: (count: number): Promise<string[]> =>
        new Promise((resolve) => {
          changed = () => {
            if (events.length >= count) resolve(events);
          };
          changed();
        }),
    };
  }

  test("who joins is dialled, who leaves is let go, who stays is not disturbed", async () => {
    const { keep, happenings, diallers } = links();
    keep(["writer-1", "one"]);
    await happenings(1);
    keep(["writer-1", "one"], ["writer-2", "two"]);
    await happenings(2);
    expect(diallers.linked).toEqual(["writer-1", "writer-2"]);
    keep(["writer-2", "two"]);
    expect(await happenings(3)).toEqual(["writer-1 up", "writer-2 up", "writer-1 down"]);
    expect(diallers.linked).toEqual(["writer-2"]);
    diallers.stop();
  });

  test("who moves is down at the old place before it is up at the new one, and says nothing from there any more", async () => {
    const { keep, happenings, diallers } = links();
    keep(["writer-1", "one"]);
    await happenings(1);
    keep(["writer-1", "three"]);
    expect(await happenings(3)).toEqual(["writer-1 up", "writer-1 down", "writer-1 up"]);
    diallers.stop();
  });

  test("whoever else answers at somebody's address is not spoken to", async () => {
    const { keep, happenings, diallers } = links();
    const refused = journal.counts()["refusedConnections"] ?? 0;
    keep(["writer-3", "one"]);
    while ((journal.counts()["refusedConnections"] ?? 0) === refused)
      await new Promise((resolve) => setImmediate(resolve));
    expect([diallers.linked, diallers.up(nodeName("writer-3"))]).toEqual([[], undefined]);
    // It comes back in the end.
    keep(["writer-1", "one"]);
    expect(await happenings(1)).toEqual(["writer-1 up"]);
    diallers.stop();
  });
});
