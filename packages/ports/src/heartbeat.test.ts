import { describe, expect, test } from "vitest";
import { Heartbeat, type Beating } from "./heartbeat.ts";

const SETTINGS = { heartbeatMs: 250, deadAfterMs: 2000 };

class Peer implements Beating {
  framesReceived = 0;
  framesSent = 0;
  pings = 0;
  silentMs: number | undefined;

  ping(): void {
    this.pings++;
    this.framesSent++;
  }

  dead(silentMs: number): void {
    this.silentMs = silentMs;
  }
}

function watched() {
  const heartbeat = new Heartbeat(SETTINGS);
  const peer = new Peer();
  heartbeat.tick(0);
  heartbeat.add(peer);
  let now = 0;
  /** Ticks every 10 ms, as hosts do; `each` may let something be heard or said. */
  const run = (ms: number, each: () => void = () => undefined): void => {
    for (const end = now + ms; now < end;) {
      now += 10;
      each();
      heartbeat.tick(now);
    }
  };
  /** The whole process stands still. */
  const stop = (ms: number): void => {
    now += ms;
    heartbeat.tick(now);
  };
  return { heartbeat, peer, run, stop };
}

describe("a heartbeat", () => {
  test("pings once a beat where nothing else was sent", () => {
    const { peer, run } = watched();
    run(1000, () => peer.framesReceived++);
    expect(peer.pings).toBe(4);
    run(1000, () => {
      peer.framesReceived++;
      peer.framesSent++;
    });
    expect(peer.pings).toBe(4);
  });

  test("gives up a peer that is silent for the whole period, and not before", () => {
    const { heartbeat, peer, run } = watched();
    run(1990);
    expect(peer.silentMs).toBeUndefined();
    run(10);
    expect(peer.silentMs).toBe(2000);
    expect(heartbeat.size).toBe(0);
  });

  test("anything received is a sign of life", () => {
    const { peer, run } = watched();
    for (let i = 0; i < 10; i++) {
      run(1750);
      peer.framesReceived++;
    }
    expect(peer.silentMs).toBeUndefined();
    run(2500);
    expect(peer.silentMs).toBe(2000);
  });

  test("a process that stood still itself blames nobody, and starts counting anew", () => {
    const { peer, run, stop } = watched();
    run(1900);
    stop(60_000);
    expect(peer.silentMs).toBeUndefined();
    run(1900);
    expect(peer.silentMs).toBeUndefined();
    run(200);
    expect(peer.silentMs).toBe(2000);
  });

  test("short stops of its own count as one beat, however long they last together", () => {
    const { peer, stop } = watched();
    for (let i = 0; i < 7; i++) stop(900);
    expect(peer.silentMs).toBeUndefined();
    stop(900);
    expect(peer.silentMs).toBe(2000);
  });

  test("a link that was removed is left alone", () => {
    const { heartbeat, peer, run } = watched();
    heartbeat.remove(peer);
    run(10_000);
    expect([peer.pings, peer.silentMs]).toEqual([0, undefined]);
  });

  test("refuses settings by which every peer would be dead", () => {
    expect(() => new Heartbeat({ heartbeatMs: 0, deadAfterMs: 10 })).toThrow();
    expect(() => new Heartbeat({ heartbeatMs: 250, deadAfterMs: 300 })).toThrow();
  });
});
