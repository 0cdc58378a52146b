import { decodeFrame, encodeMessage, volumeTagOf, type StorageMessage } from "@sixfold/wire";
import type { Link } from "@sixfold/ports";
import { describe, expect, test } from "vitest";
import { Channel, checkListen, CLIENT_BUFFER_BYTES, PROCESS_BUFFER_BYTES, type Identity } from "./channel.ts";
import { Journal } from "./journal.ts";

const IDENTITY: Identity = { role: "segment", name: "segment-a1", volume: "bank", token: "secret" };
const TAG = volumeTagOf("bank");
const HELLO: StorageMessage = {
  type: "hello",
  protocol: 1,
  role: "node",
  name: "writer-1",
  volume: "bank",
  token: "secret",
};

/** A listener's channel on a link that only remembers what happened to it. */
function listener() {
  const said: string[] = [];
  const events: string[] = [];
  const closed: string[] = [];
  const sent: string[] = [];
  const buffered = { bytes: 0 };
  const link: Link = {
    remote: "peer",
    get bufferedBytes() {
      return buffered.bytes;
    },
    send: (frame) => void sent.push(decodeFrame(frame, TAG).type),
    close: (reason) => void closed.push(reason ?? ""),
  };
  const journal = new Journal((_level, event, fields) => said.push(`${event} ${String(fields["code"])}`));
  const channel = new Channel(
    link,
    IDENTITY,
    {
      up: () => events.push("up"),
      message: (_, message) => events.push(message.type),
      down: (_, reason, silentMs) => events.push(`down: ${reason} ${silentMs}`),
    },
    journal,
  );
  const receive = (message: StorageMessage, tag = TAG): void => channel.received(encodeMessage(message, tag));
  return { channel, said, sent, events, closed, receive, journal, buffered };
}

const PEEK: StorageMessage = { type: "manifestPeek", request: 1 };

describe("a channel", () => {
  test("is up after a hello that fits, and passes messages on", () => {
    const { receive, events, closed } = listener();
    receive(HELLO);
    receive(PEEK);
    expect(events).toEqual(["up", "manifestPeek"]);
    expect(closed).toEqual([]);
  });

  test("counts what it sends and receives, and keeps pings to itself", () => {
    const { channel, receive, events, sent } = listener();
    channel.ping(); // nothing to say before the handshake
    receive(HELLO);
    receive({ type: "ping" });
    channel.ping();
    channel.send(PEEK);
    channel.sendFrame(encodeMessage(PEEK, TAG));
    expect(events).toEqual(["up"]);
    expect(sent).toEqual(["welcome", "ping", "manifestPeek", "manifestPeek"]);
    expect([channel.framesReceived, channel.framesSent]).toEqual([2, 4]);
  });

  test("of a dead peer is down at once, once, and says so in case the peer still hears", () => {
    const { channel, receive, events, closed, sent, journal } = listener();
    receive(HELLO);
    channel.dead(2000);
    expect(events).toEqual(["up", "down: silent for 2000 ms 2000"]);
    expect(closed).toEqual(["silent for 2000 ms"]);
    expect(sent).toEqual(["welcome", "goodbye"]);
    expect(journal.counts()).toEqual({ deadPeers: 1 });
    receive(PEEK);
    channel.closed("cut");
    expect(events).toHaveLength(2);
  });

  test.each([
    ["node", PROCESS_BUFFER_BYTES],
    ["client", CLIENT_BUFFER_BYTES],
  ] as const)("of a %s that takes nothing ends once too much waits for it", (role, most) => {
    const { channel, receive, events, closed, sent, journal, buffered } = listener();
    receive({ ...HELLO, role });
    buffered.bytes = most;
    channel.send(PEEK);
    channel.sendFrame(encodeMessage(PEEK, TAG));
    expect(sent).toEqual(["welcome", "manifestPeek", "manifestPeek"]);
    buffered.bytes = most + 1;
    channel.sendFrame(encodeMessage(PEEK, TAG));
    channel.send(PEEK);
    expect(sent).toHaveLength(3);
    expect(closed).toEqual([expect.stringContaining(`${most + 1} bytes`)]);
    expect(events.filter((event) => event.startsWith("down"))).toHaveLength(1);
    expect(journal.counts()).toEqual({ slowPeers: 1 });
  });

  const flipped = (at: number): Uint8Array => {
    const frame = encodeMessage(PEEK, TAG).slice();
    frame[at]! ^= 0xff;
    return frame;
  };

  test.each([
    ["not a frame of Sixfold", Uint8Array.of(1, 2, 3), "bad-frame"],
    ["a wrong checksum", flipped(12), "bad-checksum"],
    ["another volume's frame", encodeMessage(PEEK, TAG ^ 1), "wrong-volume"],
    ["an oversized frame", new Uint8Array(33 << 20), "too-large"],
  ])("closes on %s, with the reason, counted and logged once", (_what, frame, code) => {
    const { channel, receive, said, closed, events, journal } = listener();
    receive(HELLO);
    channel.received(frame);
    expect(said).toEqual([`connection-refused ${code}`]);
    expect(closed).toHaveLength(1);
    expect(journal.counts()).toEqual({ refusedConnections: 1 });
    channel.closed("gone");
    channel.received(frame);
    receive(PEEK);
    expect(said).toHaveLength(1);
    expect(events).toEqual(["up", "down: gone 0"]);
  });

  test.each([
    ["a message before hello", PEEK, "no-hello"],
    ["a ping before hello", { type: "ping" }, "no-hello"],
    ["another protocol", { ...HELLO, protocol: 99 }, "wrong-protocol"],
    ["another volume", { ...HELLO, volume: "shop" }, "wrong-volume"],
    ["a wrong token", { ...HELLO, token: "guess" }, "unauthorized"],
  ] as const)("refuses %s", (_what, message, code) => {
    const { receive, said, events } = listener();
    receive(message);
    expect(said).toEqual([`connection-refused ${code}`]);
    expect(events).toEqual([]);
  });
});

describe("listening", () => {
  test("beyond loopback needs a token", () => {
    expect(() => checkListen("0.0.0.0", "")).toThrow(/needs a token/);
    expect(() => checkListen("192.168.1.5", "")).toThrow(/needs a token/);
    for (const host of ["127.0.0.1", "127.3.2.1", "localhost", "::1"])
      expect(() => checkListen(host, "")).not.toThrow();
    expect(() => checkListen("0.0.0.0", "secret")).not.toThrow();
  });
});
