// Shows the description of the API. A token that is typed here stays in the page: nothing is stored.
// What changes something at bunq is marked, and asked about before it is sent.
const place = document.querySelector("#documentation");
const dialog = document.querySelector("#writes");

// Each call that changes something at bunq: its method, its path in the description, its address as an expression.
const writes = [];

const ask = (what) =>
  new Promise((resolve) => {
    dialog.querySelector("[data-what]").textContent = what;
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "send"), { once: true });
    dialog.showModal();
  });

const before = async (request) => {
  const method = (request.method || "GET").toLowerCase();
  const path = new URL(request.url, location.href).pathname;
  const found = writes.find((each) => each.method === method && each.address.test(path));
  if (found && !(await ask(found.what))) throw new Error(dialog.dataset.refused);
  return request;
};

const mark = () => ({
  wrapComponents: {
    OperationSummaryPath: (Original, { React }) => (props) => {
      const [method, path] = ["method", "path"].map((each) => props.operationProps.get(each));
      const shown = React.createElement(Original, props);
      if (!writes.some((each) => each.method === method && each.path === path)) return shown;
      const badge = React.createElement("span", { className: "writes" }, dialog.dataset.mark);
      return React.createElement(React.Fragment, null, shown, badge);
    },
  },
});

const show = (described) => {
  const root = new URL(described.servers[0].url, location.href).pathname.replace(/\/$/, "");
  for (const [path, operations] of Object.entries(described.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (!operation["x-writes-at-bunq"]) continue;
      const address = (root + path).replace(/[.*+?^$()|[\]\\]/g, "\\$&").replace(/\{\w+\}/g, "[^/]+");
      const what = `${method.toUpperCase()} ${path}: ${operation.summary}`;
      writes.push({ method, path, address: new RegExp(`^${address}$`), what });
    }
  }
  SwaggerUIBundle({
    docExpansion: "none", // there are too many operations to draw them all at once
    spec: described,
    dom_id: "#documentation",
    deepLinking: false,
    persistAuthorization: false,
    plugins: [mark],
    requestInterceptor: before,
    showMutatedRequest: false, // a call that was not sent has none
    syntaxHighlight: false,
    tryItOutEnabled: true,
  });
};

fetch(place.dataset.description).then((answer) => answer.json()).then(show);
