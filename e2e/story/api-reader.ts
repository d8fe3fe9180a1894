// SPDX-License-Identifier: Apache-2.0
import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { z } from "zod";

/** Reads objects from the API server as the administrator. Cheap enough to look many times a second, which kubectl is not. */
export interface ApiReader {
  /** An object or a list; null when there is none (404). @throws on any other answer, and when the object is not as the schema says */
  get<T>(path: string, schema: z.ZodType<T>): Promise<T | null>;
}

const NOT_FOUND = 404;

/** Reads through the socket of a `kubectl proxy`, which holds the credentials. */
export function createApiReader(socketPath: string): ApiReader {
  return {
    async get(path, schema) {
      const { code, body } = await fetchText(socketPath, path);
      if (code === NOT_FOUND) return null;
      if (code !== 200) throw new Error(`GET ${path}: ${code} ${body}`);
      return schema.parse(JSON.parse(body));
    },
  };
}

function fetchText(socketPath: string, path: string): Promise<{ code: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout: 20_000 }, (answer) => {
      text(answer).then((body) => resolve({ code: answer.statusCode ?? 0, body }), reject);
    });
    asked.on("timeout", () => asked.destroy(new Error(`GET ${path}: no answer within 20 s`)));
    asked.on("error", reject);
    asked.end();
  });
}
