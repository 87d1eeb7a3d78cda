// The session of a browser app with HireMeBahamas; tests/browser runs it in Chromium.
//
//   import { connect } from "./browser_app.js";
//   const session = connect("https://api.example.com");
//   if (!(await session.refresh())) await session.logIn(email, password);
//   const response = await session.call("/auth/profile");

export function connect(api) {
  let accessToken = null; // in memory alone: gone with the page
  let refreshing = null;

  function post(path, body) {
    const headers = { "Content-Type": "application/json", "X-Refresh-Cookie": "1" };
    return fetch(api + path, { method: "POST", credentials: "include", headers, body: JSON.stringify(body) });
  }

  async function take(response) {
    accessToken = response.ok ? (await response.clone().json()).access_token : null;
    return response;
  }

  // The answer may be a 401 with a `challenge`: then `finish()` goes on with it.
  async function logIn(email, password) {
    return take(await post("/auth/login", { email, password }));
  }

  async function finish(challenge, code) {
    return take(await post("/auth/login/second-factor", { challenge, code }));
  }

  // Whether somebody is logged in. Requests at the same time share one refresh.
  function refresh() {
    refreshing ??= post("/auth/cookie/refresh")
      .then(take)
      .then((response) => response.ok)
      .finally(() => (refreshing = null));
    return refreshing;
  }

  async function call(path, options = {}) {
    const send = () =>
      fetch(api + path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${accessToken}` } });
    const response = await send();
    return response.status === 401 && (await refresh()) ? send() : response;
  }

  async function logOut() {
    accessToken = null;
    return post("/auth/cookie/logout");
  }

  return { logIn, finish, refresh, call, logOut };
}
