# Runs fdrtool on small sets of p-values and records what it returns.
# Debian: apt-get install r-cran-fdrtool; then in this folder: Rscript fdrtool_reference.R
suppressMessages(library(fdrtool))

RNGkind("Mersenne-Twister", "Inversion", "Rejection")
set.seed(1)
sets <- list(
  uniform = runif(150),
  mixture = c(rbeta(30, 0.2, 8), runif(120)),
  mostly_changed = c(rbeta(140, 0.3, 6), runif(60)),
  sparse = c(10^-runif(8, 10, 60), runif(140)),
  discrete_100 = c(rep(1, 20), ceiling(101 * rbeta(60, 0.3, 6)), ceiling(101 * runif(70))) / 101,
  discrete_1000 = ceiling(1001 * c(rbeta(40, 0.3, 12), runif(110))) / 1001,
  zeros_and_ones = c(rep(0, 3), 1e-6, rep(1, 5), round(c(rbeta(15, 0.3, 9), runif(35)), 2)),
  fully_tied_ends = c(rep(0.01, 12), rep(0.5, 12), rep(1, 12)),
  ten = c(0.001, 0.01, 0.02, 0.2, 0.3, 0.45, 0.6, 0.7, 0.8, 0.95)
)

rows <- lapply(names(sets), function(name) {
  p <- sets[[name]]
  # fdrtool warns that small sets are unreliable; they are here on purpose.
  fit <- suppressWarnings(fdrtool(p, statistic = "pvalue", plot = FALSE, verbose = FALSE))
  data.frame(set = name, p = p, eta0 = unname(fit$param[1, "eta0"]), lfdr = fit$lfdr)
})
table <- do.call(rbind, rows)
for (column in c("p", "eta0", "lfdr")) table[[column]] <- sprintf("%.17g", table[[column]])

file <- "fdrtool_reference.csv"
writeLines(sprintf("# fdrtool %s, %s", packageVersion("fdrtool"), R.version.string), file)
suppressWarnings(write.table(table, file, append = TRUE, sep = ",", quote = FALSE, row.names = FALSE))
