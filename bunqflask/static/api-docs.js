// Shows the description of the API. A token that is typed here stays in the page: nothing is stored.
const place = document.querySelector("#documentation");
SwaggerUIBundle({
  url: place.dataset.description,
  dom_id: "#documentation",
  deepLinking: false,
  persistAuthorization: false,
  syntaxHighlight: false,
  tryItOutEnabled: true,
});
